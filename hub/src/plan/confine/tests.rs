//! Which restriction a route gets for which plugins.

use hubline::model::{GlobalKey, GroupKind, Key, ResourceKind};

use super::*;
use crate::plan::names::name_of;

fn cluster() -> ClusterId {
    ClusterId::new("a").unwrap()
}

fn consumer(namespace: &str, name: &str) -> GlobalKey {
    let source = GroupKind::new("apisix.apache.org", "ApisixConsumer");
    GlobalKey {
        cluster: cluster(),
        key: Key::new(ResourceKind::Consumer, &source, namespace, name, ""),
    }
}

/// Puts words in the place of ids.
type Naming = Box<dyn Fn(String) -> String>;

/// `shop_jack`, `shop_rose`, and two who are both called `a_b_c`; what is asked gets the words `GROUP`, `NOBODY`, `JACK`,
/// `ROSE` in the place of ids.
fn asked<T>(ask: impl FnOnce(&mut Callers<'_>) -> T) -> (T, Vec<String>, Vec<String>, Naming) {
    let options = PlanOptions::default();
    let mut names = ByName::default();
    let keys = [
        consumer("shop", "jack"),
        consumer("shop", "rose"),
        consumer("a-b", "c"),
        consumer("a", "b-c"),
    ];
    for key in &keys {
        names.insert(known(&name_of(&key.key)), key);
    }
    let cluster = cluster();
    let mut callers = Callers::new(&options, &cluster, &names);
    let answer = ask(&mut callers);
    let id = |key: &GlobalKey| callers.username(key);
    let words = [
        (callers.group(), "GROUP"),
        (callers.nobody(), "NOBODY"),
        (id(&keys[0]), "JACK"),
        (id(&keys[1]), "ROSE"),
        (id(&keys[2]), "ABC1"),
        (id(&keys[3]), "ABC2"),
    ];
    let wants = callers.wants.iter().map(ToString::to_string).collect();
    let unresolved = callers.unresolved.iter().cloned().collect();
    let readable = move |mut text: String| {
        for (id, word) in &words {
            text = text.replace(id.as_str(), word);
        }
        text
    };
    (answer, wants, unresolved, Box::new(readable))
}

fn restriction(plugins: &Value, everybody: Authentication) -> Result<Value, String> {
    let plugins = fields(plugins.clone());
    let (found, _, _, readable) = asked(|callers| callers.restriction(&plugins, everybody));
    let text = readable(found?.unwrap_or(Value::Null).to_string());
    Ok(serde_json::from_str(&text).unwrap())
}

fn by_group() -> Value {
    json!({"type": "consumer_group_id", "whitelist": ["GROUP"]})
}

/// Who comes with a consumer of another cluster is stopped, who comes without one is not.
fn where_present() -> Value {
    let filter = json!([["consumer_name", "~~", "."], ["consumer_group_id", "~=", "GROUP"]]);
    json!({"type": "consumer_name", "whitelist": ["NOBODY"], "_meta": {"filter": filter}})
}

#[test]
fn what_authenticates_is_confined() {
    let both = json!({"auth_plugins": [{"key-auth": {}}, {"basic-auth": {}}]});
    let table = [
        (json!({}), Value::Null),
        (json!({"limit-count": {"count": 1}}), Value::Null),
        (json!({"key-auth": {}}), by_group()),
        (json!({"basic-auth": {"hide_credentials": true}}), by_group()),
        (json!({"jwt-auth": {}}), by_group()),
        (json!({"hmac-auth": {}}), by_group()),
        (json!({"ldap-auth": {}}), by_group()),
        (json!({"wolf-rbac": {}}), by_group()),
        (json!({"multi-auth": both}), by_group()),
        (json!({"key-auth": {"_meta": {"disable": true}}}), Value::Null),
        (json!({"key-auth": {"_meta": {"disable": false}}}), by_group()),
        (
            json!({"key-auth": {"_meta": {"filter": [["uri", "==", "/x"]]}}}),
            where_present(),
        ),
        (
            json!({"key-auth": {"_meta": {"filter": [["uri", "==", "/x"]]}}, "basic-auth": {}}),
            by_group(),
        ),
        (
            json!({"ldap-auth-advanced": {"consumer_required": false}}),
            where_present(),
        ),
        (
            json!({"multi-auth": {"auth_plugins": [{"key-auth": {}}, {"openid-connect": {}}]}}),
            where_present(),
        ),
    ];
    for (plugins, wanted) in table {
        assert_eq!(restriction(&plugins, Authentication::Never), Ok(wanted), "{plugins}");
    }
}

#[test]
fn global_rules_that_authenticate_confine_every_route() {
    let sometimes = Authentication::Sometimes;
    assert_eq!(restriction(&json!({}), sometimes), Ok(where_present()));
    assert_eq!(restriction(&json!({"key-auth": {}}), sometimes), Ok(by_group()));
}

#[test]
fn restrictions_of_users_are_combined_with_ours() {
    let any_of = |conditions: &[Value]| {
        let mut filter = vec![json!("OR"), json!(["consumer_group_id", "~=", "GROUP"])];
        filter.extend(conditions.iter().cloned());
        json!({"type": "consumer_name", "whitelist": ["NOBODY"], "_meta": {"filter": filter}})
    };
    let table = [
        (
            json!({"whitelist": ["shop_jack"]}),
            json!({"type": "consumer_name", "whitelist": ["JACK"]}),
        ),
        (
            json!({"type": "consumer_name", "whitelist": ["shop-jack", "nobody_there"], "rejected_code": 451}),
            json!({"type": "consumer_name", "whitelist": ["JACK"], "rejected_code": 451}),
        ),
        (
            json!({"whitelist": ["nobody_there"]}),
            json!({"type": "consumer_name", "whitelist": ["NOBODY"]}),
        ),
        (
            json!({"whitelist": ["a_b_c"]}),
            json!({"type": "consumer_name", "whitelist": ["NOBODY"]}),
        ),
        (
            json!({"whitelist": ["shop_jack"], "blacklist": ["shop_rose"],
                "allowed_by_methods": [{"user": "shop_jack", "methods": ["GET"]}]}),
            json!({"type": "consumer_name", "whitelist": ["JACK"], "blacklist": ["ROSE"]}),
        ),
        (
            json!({"blacklist": ["shop_jack", "shop_rose"]}),
            any_of(&[json!(["consumer_name", "in", ["JACK", "ROSE"]])]),
        ),
        (
            json!({"blacklist": ["a_b_c"]}),
            any_of(&[json!(["consumer_name", "in", ["ABC2", "ABC1"]])]),
        ),
        (json!({"blacklist": ["nobody_there"]}), by_group()),
        (
            json!({"allowed_by_methods": [{"user": "shop_jack", "methods": ["GET", "HEAD"]},
                {"user": "shop_jack", "methods": ["POST"]}]}),
            any_of(&[json!([
                "AND",
                ["consumer_name", "==", "JACK"],
                ["request_method", "!", "in", ["GET", "HEAD"]]
            ])]),
        ),
        (
            json!({"whitelist": ["shop_jack"], "_meta": {"disable": true}}),
            by_group(),
        ),
    ];
    for (own, wanted) in table {
        let plugins = json!({"key-auth": {}, "consumer-restriction": own});
        assert_eq!(restriction(&plugins, Authentication::Never), Ok(wanted), "{own}");
    }
}

#[test]
fn messages_of_users_stay_beside_our_condition() {
    let own =
        json!({"blacklist": ["shop_jack"], "rejected_msg": "no", "_meta": {"error_response": "never", "priority": 7}});
    let found = restriction(&json!({"consumer-restriction": own}), Authentication::Never).unwrap();
    assert_eq!(found["rejected_msg"], "no");
    assert_eq!(found["_meta"]["error_response"], "never");
    assert_eq!(found["_meta"]["priority"], 7);
    assert_eq!(found["_meta"]["filter"][0], "OR");
    assert_eq!(found.get("blacklist"), None);
}

#[test]
fn what_cannot_be_confined_closes_the_route() {
    let own = |config: Value| json!({"key-auth": {}, "consumer-restriction": config});
    let table = [
        (json!({"jwe-decrypt": {}}), "jwe-decrypt takes the keys"),
        (
            json!({"multi-auth": {"auth_plugins": [{"jwe-decrypt": {}}, {"key-auth": {}}]}}),
            "jwe-decrypt takes the keys",
        ),
        (
            own(json!({"type": "consumer_group_id", "whitelist": ["g"]})),
            "only consumer_name is allowed",
        ),
        (
            own(json!({"type": "route_id", "blacklist": ["r"]})),
            "only consumer_name is allowed",
        ),
        (own(json!({"whitelist": []})), "whitelist is not a list of texts"),
        (own(json!({"whitelist": [7]})), "whitelist is not a list of texts"),
        (
            own(json!({"blacklist": "shop_jack"})),
            "blacklist is not a list of texts",
        ),
        (
            own(json!({"allowed_by_methods": [{"user": "x"}]})),
            "methods is not a list",
        ),
        (
            own(json!({"allowed_by_methods": {}})),
            "allowed_by_methods is not a list",
        ),
        (own(json!({})), "one with whitelist, blacklist or allowed_by_methods"),
        (own(json!([])), "the configuration is not an object"),
        (
            own(json!({"whitelists": ["x"]})),
            "consumer-restriction.whitelists is not known",
        ),
        (
            own(json!({"whitelist": ["x"], "_meta": {"filter": []}})),
            "_meta.filter cannot be combined",
        ),
        (
            own(json!({"whitelist": ["x"], "_meta": {"pre_function": "return"}})),
            "_meta.pre_function cannot be combined",
        ),
    ];
    for (plugins, wanted) in table {
        let fault = restriction(&plugins, Authentication::Never).unwrap_err();
        assert!(fault.contains(wanted), "{plugins}: {fault}");
    }
}

#[test]
fn who_comes_without_credentials_is_one_of_the_cluster_or_nobody() {
    let mut plugins = fields(json!({
        "key-auth": {"anonymous_consumer": "shop_jack", "header": "X"},
        "basic-auth": {"anonymous_consumer": "a_b_c"},
        "jwt-auth": {"anonymous_consumer": 7},
        "multi-auth": {"auth_plugins": [{"key-auth": {"anonymous_consumer": "shop_rose"}}, {"basic-auth": {}}]},
        "own-plugin": {"anonymous_consumer": "nobody_there"},
    }));
    let ((), wants, unresolved, readable) = asked(|callers| callers.rename_anonymous(&mut plugins));
    let renamed: Value = serde_json::from_str(&readable(json!(plugins).to_string())).unwrap();
    let wanted = json!({
        "key-auth": {"anonymous_consumer": "JACK", "header": "X"},
        "basic-auth": {},
        "jwt-auth": {},
        "multi-auth": {"auth_plugins": [{"key-auth": {"anonymous_consumer": "ROSE"}}, {"basic-auth": {}}]},
        "own-plugin": {},
    });
    assert_eq!(renamed, wanted);
    assert_eq!(wants, ["a_b_c", "nobody_there", "shop_jack", "shop_rose"]);
    assert_eq!(
        unresolved,
        [
            r#""a_b_c" could be several consumers, so it lets none in"#,
            r#"no consumer is called "nobody_there""#
        ]
    );
}
