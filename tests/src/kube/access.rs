//! Takes rights of the agent away and gives them back, so that a listing fails with 403.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{DynamicObject, PostParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::manifests::{agent_folder, apply, parse, read};
use super::{KubeServer, User};

/// The authorizer learns of a changed role by a watch of its own: milliseconds, usually.
const EFFECT: Duration = Duration::from_secs(30);

/// Between two questions whether it has learnt: nothing tells when.
const POLL: Duration = Duration::from_millis(20);

impl KubeServer {
    /// Takes all verbs on a resource (`services`, `endpointslices`, …; plural, lower case) away
    /// from the agent; returns when the server refuses it. Needs the agent's manifests applied.
    ///
    /// The API server checks rights when a request begins: a watch that is open lives on until it
    /// ends or [`KubeServer::restart`] cuts it.
    ///
    /// # Errors
    /// When the agent's roles don't name that resource.
    pub async fn deny(&self, resource: &str) -> Result<()> {
        self.change_access(resource, |denied| denied.insert(resource.to_owned()))
            .await?;
        self.wait_for_access(resource, false).await
    }

    /// Gives back what [`KubeServer::deny`] took; returns when the server allows it.
    ///
    /// # Errors
    /// As [`KubeServer::deny`].
    pub async fn allow(&self, resource: &str) -> Result<()> {
        self.change_access(resource, |denied| denied.remove(resource)).await?;
        self.wait_for_access(resource, true).await
    }

    async fn change_access(&self, resource: &str, change: impl FnOnce(&mut BTreeSet<String>) -> bool) -> Result<()> {
        let mut roles = roles()?;
        ensure!(
            group_and_verb(&roles, resource).is_some(),
            "no role in deploy/agent names the resource `{resource}`"
        );
        let denied = match self.denied.lock() {
            Ok(mut denied) => {
                change(&mut denied);
                denied.clone()
            }
            Err(_) => bail!("a test panicked while it changed the agent's rights"),
        };
        for role in &mut roles {
            take_away(role, &denied);
        }
        apply(&self.admin_client().await?, roles).await
    }

    async fn wait_for_access(&self, resource: &str, expected: bool) -> Result<()> {
        let client = self.admin_client().await?;
        let (group, verb) = group_and_verb(&roles()?, resource).context("an unnamed resource")?;
        let deadline = Instant::now() + EFFECT;
        while allowed(&client, &group, resource, &verb).await? != expected {
            ensure!(
                Instant::now() < deadline,
                "the server's answer on `{verb} {resource}` did not change in {EFFECT:?}"
            );
            sleep(POLL).await;
        }
        Ok(())
    }
}

/// The cluster roles and roles of `deploy/agent`.
fn roles() -> Result<Vec<DynamicObject>> {
    let mut roles = parse(&read(&agent_folder().join("rbac.yaml"))?)?;
    roles.retain(|object| object.data.get("rules").is_some());
    Ok(roles)
}

fn rules(role: &DynamicObject) -> impl Iterator<Item = &Value> {
    role.data["rules"].as_array().into_iter().flatten()
}

fn names(rule: &Value, resource: &str) -> bool {
    let resources = rule["resources"].as_array().into_iter().flatten();
    resources.into_iter().any(|name| name == resource)
}

/// The API group of a resource and one verb that the agent has on it.
fn group_and_verb(roles: &[DynamicObject], resource: &str) -> Option<(String, String)> {
    let rule = roles.iter().flat_map(rules).find(|rule| names(rule, resource))?;
    let group = rule["apiGroups"][0].as_str()?;
    let verb = rule["verbs"][0].as_str()?;
    Some((group.to_owned(), verb.to_owned()))
}

fn take_away(role: &mut DynamicObject, denied: &BTreeSet<String>) {
    let Some(rules) = role.data["rules"].as_array_mut() else {
        return;
    };
    for rule in &mut *rules {
        if let Some(resources) = rule["resources"].as_array_mut() {
            resources.retain(|name| !name.as_str().is_some_and(|name| denied.contains(name)));
        }
    }
    rules.retain(|rule| rule["resources"] != Value::Array(Vec::new()));
}

async fn allowed(client: &Client, group: &str, resource: &str, verb: &str) -> Result<bool> {
    let groups = User::Agent.groups().iter().map(|&name| name.to_owned());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(User::Agent.name().to_owned()),
            groups: Some(groups.collect()),
            resource_attributes: Some(attributes(group, resource, verb)),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let review = reviews.create(&PostParams::default(), &review).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

/// The agent's namespaced rights are those on its lease; everything else is cluster-wide.
fn attributes(group: &str, resource: &str, verb: &str) -> ResourceAttributes {
    let namespace = (resource == "leases").then(|| "hubline".to_owned());
    let name = (resource == "namespaces").then(|| "kube-system".to_owned());
    ResourceAttributes {
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        verb: Some(verb.to_owned()),
        namespace,
        name,
        ..ResourceAttributes::default()
    }
}
