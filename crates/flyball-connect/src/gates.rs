//! Questions that other systems ask before they let a change go on, and GitHub's answer.

use flyball_govern::policy::ChangeClass;
use flyball_model::ChangeOutcome;
use serde_json::json;

use crate::error::ConnectError;
use crate::fields::{Body, repository_name};
use crate::headers::Headers;
use crate::{BODY_BYTES_MAX, Hook, github};

/// The longest comment that GitHub is told. Characters; a job's page has room for a paragraph.
const COMMENT_CHARS_MAX: usize = 1_000;

/// May a change like this go on? Texts as they were sent; what is `None` was not said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Why it is made.
    pub class: Option<String>,
    /// How it reaches users.
    pub rollout: Option<String>,
    /// Where it goes.
    pub environment: Option<String>,
    /// What it is known by.
    pub change: Option<String>,
    /// The commit or version that would run afterwards.
    pub revision: Option<String>,
}

/// GitHub asks a custom deployment protection rule, and waits for the answer at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The service that is to change.
    pub service: String,
    /// What is asked.
    pub asked: Asked,
    /// The environment as GitHub calls it, which the answer repeats.
    pub environment: String,
    /// The repository by its full name, as in `acme/shop`.
    pub repository: String,
    /// Where the app was installed by whoever owns the repository.
    pub installation: u64,
    /// Where the answer is awaited. It comes from the body: who posts there holds it against
    /// [`Self::callback_below`].
    pub callback: String,
}

impl Protection {
    /// The address where the answer is awaited, if it is the one that GitHub's API at `api` has for runs of
    /// this repository; `None` for any other address, which whoever sent the body may have chosen.
    pub fn callback_below(&self, api: &str) -> Option<&str> {
        let rest = self.callback.strip_prefix(api.trim_end_matches('/'))?;
        let rest = rest.strip_prefix("/repos/")?.strip_prefix(self.repository.as_str())?;
        let run =
            rest.strip_prefix("/actions/runs/")?.strip_suffix("/deployment_protection_rule")?;
        let is_number = !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit());
        let part = |part: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !matches!(part, "" | "." | "..") && part.bytes().all(is_plain)
        };
        let is_name =
            self.repository.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name));
        (is_number && is_name).then_some(self.callback.as_str())
    }

    /// The body of the answer: `comment` says why, and is cut where it is too long.
    pub fn answer(&self, approved: bool, comment: &str) -> serde_json::Value {
        let comment: String = comment.chars().take(COMMENT_CHARS_MAX).collect();
        json!({
            "environment_name": self.environment,
            "state": if approved { "approved" } else { "rejected" },
            "comment": comment,
        })
    }
}

/// Reads GitHub's `deployment_protection_rule`; `None` for any other event, which asks nothing.
///
/// Whether the sender is who it says is asked of [`verify`](crate::verify), before this.
///
/// # Errors
///
/// [`ConnectError`] when it cannot be understood.
pub fn github_protection(
    headers: &Headers,
    body: &[u8],
    hook: &Hook,
) -> Result<Option<Protection>, ConnectError> {
    if headers.get("x-github-event") != Some("deployment_protection_rule") {
        return Ok(None);
    }
    let body = parse(body)?;
    let root = body.root();
    let action = root.need_text("action")?;
    if action != "requested" {
        return Ok(None);
    }
    let repository = root.need("repository")?.object()?.need_text("full_name")?;
    let installation = root.need("installation").map_err(|_| {
        let hint = "the webhook is that of a GitHub App, which answers for its installation";
        ConnectError::field_of("installation", "is missing", hint)
    })?;
    let id = installation.object()?.need("id")?;
    let installation = id.value().as_u64().ok_or_else(|| {
        ConnectError::field_of(id.path(), "is no number", "GitHub counts installations")
    })?;
    let environment = root.need_text("environment")?;
    let change = match root.get("deployment") {
        Some(_) => Some(github::deployment(&root, "", ChangeOutcome::Planned, hook)?),
        None => None,
    };
    let service = change.as_ref().map(|change| change.service.clone());
    let service = service.or_else(|| hook.service.clone());
    Ok(Some(Protection {
        service: service.unwrap_or_else(|| repository_name(&repository).to_owned()),
        asked: Asked {
            class: change.as_ref().map(|change| ChangeClass::of(change).word().to_owned()),
            rollout: change.as_ref().and_then(|change| change.rollout.clone()),
            environment: Some(environment.clone()),
            revision: change.as_ref().and_then(|change| change.revision.clone()),
            change: change.map(|change| change.id),
        },
        environment,
        repository,
        installation,
        callback: root.need_text("deployment_callback_url")?,
    }))
}

/// Reads the body of a webhook of Flagger. What it calls `metadata` may say `class`, `rollout`,
/// `environment`, `change` and `revision`; a change that is not named is known by the canary and the checksum of
/// what it would run.
///
/// # Errors
///
/// [`ConnectError`] when it cannot be understood.
pub fn flagger_question(body: &[u8]) -> Result<Asked, ConnectError> {
    let body = parse(body)?;
    let root = body.root();
    let (name, namespace) = (root.need_text("name")?, root.need_text("namespace")?);
    let checksum = root.may_text("checksum")?;
    let usual = checksum.map(|checksum| format!("flagger:{namespace}/{name}@{checksum}"));
    let Some(metadata) = root.get("metadata") else {
        return Ok(Asked { change: usual, ..Asked::default() });
    };
    let metadata = metadata.object()?;
    Ok(Asked {
        class: metadata.may_text("class")?,
        rollout: metadata.may_text("rollout")?,
        environment: metadata.may_text("environment")?,
        change: metadata.may_text("change")?.or(usual),
        revision: metadata.may_text("revision")?,
    })
}

/// Reads a question to a policy agent, `{"input": {…}}`: the service, and what is asked of it.
///
/// # Errors
///
/// [`ConnectError`] when it cannot be understood; a field that is not known is a mistake that would
/// otherwise go unnoticed.
pub fn opa_question(body: &[u8]) -> Result<(String, Asked), ConnectError> {
    const FIELDS: [&str; 6] = ["service", "class", "rollout", "environment", "change", "revision"];
    let body = parse(body)?;
    let root = body.root();
    let input = root.need("input")?.object()?;
    if let Some(unknown) = input.keys().find(|key| !FIELDS.contains(key)) {
        let hint = format!("the fields are {}", FIELDS.join(", "));
        return Err(ConnectError::field_of(input.path_of(unknown), "is not known", &hint));
    }
    let asked = Asked {
        class: input.may_text("class")?,
        rollout: input.may_text("rollout")?,
        environment: input.may_text("environment")?,
        change: input.may_text("change")?,
        revision: input.may_text("revision")?,
    };
    Ok((input.need_text("service")?, asked))
}

fn parse(body: &[u8]) -> Result<Body, ConnectError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(ConnectError::Large { bytes: body.len() });
    }
    Body::parse(body)
}
