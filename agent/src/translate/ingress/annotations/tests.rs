//! What each form of a value becomes, the wrong ones above all.

use hubline::model::{ClusterId, Scheme, Severity, Timeouts};

use serde_json::{Value, json};

use super::*;

type Entries = &'static [(&'static str, &'static str)];

/// What was read of annotations, and every fault as `field: message`.
fn read(entries: &[(&str, &str)]) -> (Directives, Vec<(Severity, String)>) {
    let options = TranslateOptions::new(ClusterId::new("east").unwrap());
    read_with(&options, entries)
}

fn read_with(options: &TranslateOptions, entries: &[(&str, &str)]) -> (Directives, Vec<(Severity, String)>) {
    let entries = entries.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let ingress = Name::new("shop", "web");
    let (directives, faults) = Directives::read(options, &ingress, &Annotations::new(entries));
    let told = |(field, fault): (String, Fault)| {
        let name = field.trim_start_matches("metadata.annotations[k8s.apisix.apache.org/");
        let name = name.trim_end_matches(']');
        (fault.severity, format!("{name}: {}", fault.message))
    };
    (directives, faults.into_iter().map(told).collect())
}

/// Plugins by name, with their configuration.
fn plugins(directives: &Directives) -> Value {
    let plugins = directives.plugins.iter();
    let config = |plugin: &Plugin| serde_json::from_str::<Value>(plugin.config.expose()).unwrap();
    plugins.map(|plugin| (plugin.name.clone(), config(plugin))).collect()
}

fn is_closed(directives: &Directives) -> bool {
    directives.closed && plugins(directives) == json!({"fault-injection": {"abort": {"http_status": 503}}})
}

fn become_plugins(table: &[(Entries, Value)]) {
    for (entries, wanted) in table {
        let (directives, faults) = read(entries);
        assert_eq!((plugins(&directives), faults), (wanted.clone(), vec![]), "{entries:?}");
        assert!(!directives.closed);
    }
}

#[test]
fn good_values_become_plugins_without_a_word() {
    become_plugins(&[
        (&[("enable-cors", "true")], json!({"cors": {}})),
        (
            &[
                ("enable-cors", "true"),
                ("cors-allow-origin", "https://a.example.com, http://b.example.com:8080"),
                ("cors-allow-headers", "x-foo-1 ,x-foo-2"),
                ("cors-allow-methods", "GET,POST"),
            ],
            json!({"cors": {
                "allow_origins": "https://a.example.com,http://b.example.com:8080",
                "allow_headers": "x-foo-1,x-foo-2",
                "allow_methods": "GET,POST",
            }}),
        ),
        (&[("enable-cors", "false"), ("enable-csrf", "false")], json!({})),
        (
            &[("enable-csrf", "true"), ("csrf-key", " k ")],
            json!({"csrf": {"key": " k "}}),
        ),
        (
            &[("http-to-https", "true")],
            json!({"redirect": {"http_to_https": true}}),
        ),
        (
            &[("http-redirect", "/anything$uri"), ("http-redirect-code", "308")],
            json!({"redirect": {"uri": "/anything$uri", "ret_code": 308}}),
        ),
        (
            &[("http-redirect", "https://a.example.com/get")],
            json!({"redirect": {"uri": "https://a.example.com/get", "ret_code": 301}}),
        ),
        (&[("rewrite-target", "/new")], json!({"proxy-rewrite": {"uri": "/new"}})),
        (
            &[
                ("rewrite-target-regex", "^/app/(?!x)(.*)"),
                ("rewrite-target-regex-template", "/$1"),
            ],
            json!({"proxy-rewrite": {"regex_uri": ["^/app/(?!x)(.*)", "/$1"]}}),
        ),
    ]);
}

#[test]
fn good_values_guard_without_a_word() {
    become_plugins(&[
        (
            &[("allowlist-source-range", "10.0.5.0/16, 127.0.0.1 ,fd00::/8,::1")],
            json!({"ip-restriction": {"whitelist": ["10.0.5.0/16", "127.0.0.1", "fd00::/8", "::1"]}}),
        ),
        (
            &[("blocklist-source-range", "0.0.0.0/0")],
            json!({"ip-restriction": {"blacklist": ["0.0.0.0/0"]}}),
        ),
        (
            &[("http-allow-methods", "get, POST")],
            json!({"fault-injection": {"abort": {"http_status": 405, "vars": [[["request_method", "!", "in", ["GET", "POST"]]]]}}}),
        ),
        (
            &[("http-block-methods", "PUT")],
            json!({"fault-injection": {"abort": {"http_status": 405, "vars": [[["request_method", "in", ["PUT"]]]]}}}),
        ),
        (
            &[("http-block-method", "PUT")],
            json!({"fault-injection": {"abort": {"http_status": 405, "vars": [[["request_method", "in", ["PUT"]]]]}}}),
        ),
        (&[("auth-type", "keyAuth")], json!({"key-auth": {}})),
        (&[("auth-type", "basicAuth")], json!({"basic-auth": {}})),
        (
            &[
                ("auth-uri", "https://auth.example.com/verify?a=b"),
                ("auth-ssl-verify", "false"),
            ],
            json!({"forward-auth": {"uri": "https://auth.example.com/verify?a=b", "ssl_verify": false}}),
        ),
        (
            &[
                ("auth-uri", "http://127.0.0.1:9999/auth"),
                ("auth-request-headers", "Authorization, Cookie"),
                ("auth-upstream-headers", "X-User-ID"),
                ("auth-client-headers", "X-Status"),
            ],
            json!({"forward-auth": {
                "uri": "http://127.0.0.1:9999/auth", "ssl_verify": true,
                "request_headers": ["Authorization", "Cookie"],
                "upstream_headers": ["X-User-ID"], "client_headers": ["X-Status"],
            }}),
        ),
        (
            &[
                ("enable-response-rewrite", "true"),
                ("response-rewrite-status-code", "404"),
                ("response-rewrite-body", "YmFyLWJvZHk="),
                ("response-rewrite-body-base64", "true"),
                ("response-rewrite-add-header", "X-A:1, X-A: 2"),
                ("response-rewrite-set-header", "Location: https://a.example.com/, X-B:"),
                ("response-rewrite-remove-header", "Server,X-C"),
            ],
            json!({"response-rewrite": {
                "status_code": 404, "body": "YmFyLWJvZHk=", "body_base64": true,
                "headers": {
                    "add": ["X-A:1", "X-A:2"],
                    "set": {"Location": "https://a.example.com/", "X-B": ""},
                    "remove": ["Server", "X-C"],
                },
            }}),
        ),
    ]);
}

#[test]
fn good_values_become_settings_without_a_word() {
    let entries = [
        ("upstream-scheme", "GRPCS"),
        ("upstream-retries", "0"),
        ("upstream-connect-timeout", "4s"),
        ("upstream-read-timeout", "5"),
        ("use-regex", "true"),
        ("enable-websocket", "true"),
    ];
    let (directives, faults) = read(&entries);
    let settings = SettingsOverride {
        scheme: Some(Scheme::Grpcs),
        retries: Some(0),
        timeouts: Some(Timeouts {
            connect_ms: 4000,
            send_ms: 0,
            read_ms: 5000,
        }),
    };
    assert_eq!(directives.settings, settings);
    assert!(directives.regex && directives.websocket && directives.plugins.is_empty());
    assert_eq!(faults, []);
    assert_eq!(settings.section(), "|scheme=grpcs|retries=0|timeouts=4000,0,5000");
}

/// What decides who may ask, or what is reached: a value that is not understood lets nobody through.
#[test]
fn a_bad_value_of_what_guards_closes_the_routes() {
    let table: &[(Entries, &str)] = &[
        (
            &[("allowlist-source-range", "10.0.0.0/33")],
            "\"10.0.0.0/33\" is no IP address",
        ),
        (&[("allowlist-source-range", "10.0.0.0/08")], "\"10.0.0.0/08\""),
        (&[("allowlist-source-range", "10.0.0.0/+8")], "\"10.0.0.0/+8\""),
        (&[("allowlist-source-range", "10.0.0.1, office")], "\"office\""),
        (&[("allowlist-source-range", " , ")], "nothing but commas"),
        (&[("allowlist-source-range", "::ffff:10.0.0.0/104")], "without dots"),
        (&[("blocklist-source-range", "fd00::/129")], "\"fd00::/129\""),
        (
            &[
                ("allowlist-source-range", "10.0.0.1"),
                ("blocklist-source-range", "10.0.0.2"),
            ],
            "APISIX takes one of the two",
        ),
        (
            &[("auth-type", "jwtAuth")],
            "\"jwtAuth\" is neither keyAuth nor basicAuth",
        ),
        (&[("auth-type", "keyauth")], "\"keyauth\""),
        (&[("enable-csrf", "yes")], "neither \"true\" nor \"false\""),
        (&[("enable-csrf", "true")], "is needed where enable-csrf"),
        (
            &[("enable-csrf", "true"), ("csrf-key", " ")],
            "is needed where enable-csrf",
        ),
        (&[("auth-uri", "auth.example.com")], "begins with http://"),
        (&[("auth-uri", "ftp://auth.example.com")], "begins with http://"),
        (&[("auth-uri", "http://a b/")], "begins with http://"),
        (&[("auth-uri", "http://a/"), ("auth-ssl-verify", "no")], "\"no\""),
        (
            &[("auth-uri", "http://a/"), ("auth-request-headers", "a b")],
            "\"a b\" is no name",
        ),
        (&[("auth-uri", "http://a/"), ("auth-upstream-headers", ",")], "commas"),
        (&[("auth-uri", "http://a/"), ("auth-client-headers", "a:b")], "\"a:b\""),
        (&[("http-allow-methods", "GET POST")], "\"GET POST\" is no name"),
        (&[("http-block-methods", ",")], "commas"),
        (&[("http-block-method", "P T")], "\"P T\""),
        (&[("http-to-https", "True")], "\"True\" is neither"),
        (&[("http-redirect", "/")], "too short"),
        (&[("http-redirect", "/a\nb")], "control character"),
        (&[("rewrite-target", "new")], "does not begin with"),
        (
            &[("rewrite-target-regex", "/(.*)")],
            "needs rewrite-target-regex-template",
        ),
        (
            &[("rewrite-target-regex-template", "/$1")],
            "needs rewrite-target-regex beside",
        ),
        (
            &[("rewrite-target-regex", "/("), ("rewrite-target-regex-template", "/$1")],
            "is no regular expression",
        ),
        (&[("use-regex", "1")], "\"1\" is neither"),
        (&[("upstream-scheme", "nothing")], "none of http, https, grpc, grpcs"),
        (&[("svc-namespace", "Blog")], "no name of a namespace"),
        (&[("svc-namespace", "blog")], "crossNamespaceServices"),
        (&[("plugin-config-name", "a/b")], "no name of an ApisixPluginConfig"),
    ];
    for (entries, wanted) in table {
        // What is right beside it must not open it again.
        let beside = [("enable-cors", "true"), ("rewrite-target", "/new")];
        let beside = beside
            .iter()
            .filter(|(name, _)| entries.iter().all(|(other, _)| other != name));
        let all: Vec<_> = entries.iter().chain(beside).copied().collect();
        let (directives, faults) = read(&all);
        assert!(is_closed(&directives), "{entries:?}: {:?}", directives.plugins);
        let told = faults.iter().any(|(severity, message)| {
            *severity == Severity::Error && message.contains(wanted) && message.ends_with("answer 503")
        });
        assert!(told, "{entries:?}: {faults:?}");
    }
}

#[test]
fn a_bad_value_of_any_other_is_left_out() {
    let rewriting = |name, value| vec![("enable-response-rewrite", "true"), (name, value)];
    let sharing = |name, value| vec![("enable-cors", "true"), (name, value)];
    let table = [
        (
            sharing("cors-allow-origin", "example.com"),
            "\"example.com\" is no origin",
        ),
        (
            sharing("cors-allow-origin", "*,https://a.example.com"),
            "\"*\" is no origin",
        ),
        (sharing("cors-allow-methods", ","), "commas"),
        (sharing("cors-allow-headers", "x\ny"), "control character"),
        (vec![("enable-cors", "on")], "\"on\" is neither"),
        (vec![("enable-websocket", "1")], "\"1\" is neither"),
        (vec![("upstream-retries", "-1")], "whole number"),
        (vec![("upstream-retries", "two")], "whole number"),
        (vec![("upstream-read-timeout", "0")], "between 1s and"),
        (vec![("upstream-connect-timeout", "500ms")], "between 1s and"),
        (vec![("upstream-send-timeout", "1.5s")], "between 1s and"),
        (rewriting("response-rewrite-status-code", "199"), "between 200 and 598"),
        (rewriting("response-rewrite-add-header", "X-A"), "is not NAME:VALUE"),
        (
            rewriting("response-rewrite-add-header", "X-A:https://a"),
            "cannot be added",
        ),
        (rewriting("response-rewrite-add-header", "X-A:b/"), "cannot be added"),
        (rewriting("response-rewrite-set-header", "a b:1"), "\"a b\" is no name"),
        (rewriting("response-rewrite-remove-header", "a:b"), "\"a:b\" is no name"),
        (
            vec![
                ("enable-response-rewrite", "true"),
                ("response-rewrite-body", "%"),
                ("response-rewrite-body-base64", "true"),
            ],
            "is not base64",
        ),
    ];
    for (entries, wanted) in table {
        let (directives, faults) = read(&entries);
        assert!(!directives.closed && directives.plugins.is_empty(), "{entries:?}");
        assert_eq!(directives.settings, SettingsOverride::default());
        let told = |(severity, message): &(Severity, String)| {
            *severity == Severity::Error && message.contains(wanted) && message.ends_with("it is left out")
        };
        assert!(faults.iter().any(told), "{entries:?}: {faults:?}");
    }
    let (directives, _) = read(&[("http-redirect", "/new"), ("http-redirect-code", "200")]);
    assert_eq!(
        plugins(&directives),
        json!({"redirect": {"uri": "/new", "ret_code": 301}})
    );
}

#[test]
fn what_does_nothing_is_said() {
    let table: &[(Entries, &[&str])] = &[
        (
            &[("cors-allow-origin", "*")],
            &["cors-allow-origin: does nothing unless enable-cors"],
        ),
        (
            &[("csrf-key", "k"), ("enable-csrf", "false")],
            &["csrf-key: does nothing unless enable-csrf"],
        ),
        (
            &[("auth-ssl-verify", "true")],
            &["auth-ssl-verify: does nothing without auth-uri"],
        ),
        (
            &[("http-redirect-code", "302")],
            &["http-redirect-code: does nothing without http-redirect"],
        ),
        (
            &[("http-to-https", "true"), ("http-redirect", "/x")],
            &["http-redirect: does nothing beside http-to-https"],
        ),
        (
            &[("http-allow-methods", "GET"), ("http-block-methods", "PUT")],
            &["http-block-methods: does nothing beside http-allow-methods"],
        ),
        (
            &[
                ("rewrite-target", "/x"),
                ("rewrite-target-regex", "/y"),
                ("rewrite-target-regex-template", "/z"),
            ],
            &[
                "rewrite-target-regex: does nothing beside rewrite-target",
                "rewrite-target-regex-template: does nothing beside rewrite-target",
            ],
        ),
        (
            &[("response-rewrite-body", "x")],
            &["response-rewrite-body: does nothing unless enable-response-rewrite"],
        ),
        (
            &[
                ("enable-response-rewrite", "true"),
                ("response-rewrite-body-base64", "true"),
            ],
            &[
                "response-rewrite-body-base64: does nothing without response-rewrite-body",
                "enable-response-rewrite: does nothing: no status",
            ],
        ),
        (&[("allowlist-source-range", "")], &["allowlist-source-range: is empty"]),
    ];
    for (entries, wanted) in table {
        let (directives, faults) = read(entries);
        assert!(!directives.closed, "{entries:?}");
        assert_eq!(faults.len(), wanted.len(), "{entries:?}: {faults:?}");
        for ((severity, message), wanted) in faults.iter().zip(*wanted) {
            assert!(
                *severity == Severity::Warning && message.starts_with(wanted),
                "{entries:?}: {message}"
            );
        }
    }
}

#[test]
fn names_that_are_not_known_are_reported_with_the_one_that_was_probably_meant() {
    let table = [
        ("whitelist-source-range", "did you mean allowlist-source-range?"),
        ("enable-websockets", "did you mean enable-websocket?"),
        ("rate-limit", "docs/annotations.md has those that are"),
    ];
    for (name, wanted) in table {
        let (directives, faults) = read(&[(name, "x")]);
        assert!(!directives.closed);
        assert_eq!(faults.len(), 1);
        let (severity, message) = &faults[0];
        assert!(
            *severity == Severity::Error
                && message.contains("is not known and does nothing")
                && message.contains(wanted),
            "{message}"
        );
    }
}

/// The promise is `secrets-stay-secret`.
#[test]
fn no_message_and_no_print_shows_a_key() {
    for value in ["hunter2", "hunter2\n"] {
        for entries in [
            vec![("csrf-key", value)],
            vec![("enable-csrf", "true"), ("csrf-key", value)],
            vec![("enable-csrf", "maybe"), ("csrf-key", value)],
            vec![("auth-uri", "auth://user:hunter2@a")],
        ] {
            let (directives, faults) = read(&entries);
            let printed = format!("{directives:?} {faults:?}");
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }
}

#[test]
fn services_of_another_namespace_need_the_operators_leave() {
    let refused = read(&[("svc-namespace", "blog")]);
    assert!(is_closed(&refused.0) && refused.0.service_namespace.is_none());
    let own = read(&[("svc-namespace", "shop")]);
    assert!(!own.0.closed && own.0.service_namespace.is_none() && own.1.is_empty());
    let mut options = TranslateOptions::new(ClusterId::new("east").unwrap());
    options.cross_namespace_services = true;
    let (allowed, faults) = read_with(&options, &[("svc-namespace", "blog")]);
    assert_eq!(allowed.service_namespace.as_deref(), Some("blog"));
    assert_eq!(faults, []);
    options.namespaces = Some(["shop".to_owned()].into());
    let (unwatched, faults) = read_with(&options, &[("svc-namespace", "blog")]);
    assert!(
        is_closed(&unwatched) && faults[0].1.contains("not among those"),
        "{faults:?}"
    );
}

#[test]
fn a_plugin_config_is_that_of_the_same_namespace() {
    let (directives, faults) = read(&[("plugin-config-name", "limits.v1")]);
    assert_eq!(directives.plugin_config, Some(Name::new("shop", "limits.v1")));
    assert!(!directives.closed && faults.is_empty(), "{faults:?}");
}

#[test]
fn the_page_has_every_annotation() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/annotations.md");
    let page = std::fs::read_to_string(page).unwrap();
    for name in known::ALL {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not in docs/annotations.md"
        );
    }
}
