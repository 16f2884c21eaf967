//! Services: whose they are, who is accountable, how critical they are, what their delivery is to reach.
//!
//! All of it may be left out: a service that nobody has described is there as soon as anything is heard of
//! it, and says of itself that nobody is accountable.

use crate::delivery::Targets;
use crate::policy::{Accountable, PolicyError};

/// The longest text of a service, in bytes: longer ones belong behind a link.
const TEXT_BYTES_MAX: usize = 1_024;
/// The most links of a service.
const LINKS_MAX: usize = 16;

/// A service with its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Service {
    /// What SLOs, events and changes call it.
    pub name: String,
    /// What it says of itself.
    pub spec: ServiceSpec,
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// What it does, in a sentence that its users understand.
    pub description: Option<String>,
    /// The team that builds and runs it.
    pub team: Option<String>,
    /// The product that it is part of.
    pub product: Option<String>,
    /// The product manager who answers for its targets.
    pub accountable: Option<Accountable>,
    /// How critical it is: the name of a tier.
    pub tier: Option<String>,
    /// Who is called, in words: the name of a rota, or where to look.
    pub on_call: Option<String>,
    /// What to do when it is down.
    pub runbook: Option<String>,
    /// Where more is said of it.
    pub links: Vec<ServiceLink>,
    /// How its delivery is measured.
    pub delivery: DeliverySpec,
}

/// Where more is said of a service.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLink {
    /// What is found there, in a word or two.
    pub name: String,
    /// The address.
    pub url: String,
}

/// How the delivery of a service is measured.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySpec {
    /// The environment whose deployments count.
    pub environment: String,
    /// What is to be reached.
    pub targets: Targets,
}

impl Default for DeliverySpec {
    fn default() -> Self {
        Self { environment: "production".to_owned(), targets: Targets::default() }
    }
}

impl Service {
    /// Checks a service as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: ServiceSpec) -> Result<Self, Vec<PolicyError>> {
        let who = |of: &Accountable| {
            let delegate = of.delegate.as_ref().map(|delegate| delegate.who.clone());
            (Some(of.who.clone()), delegate)
        };
        let (accountable, delegate) = spec.accountable.as_ref().map(who).unwrap_or_default();
        let texts = [
            ("spec.description", spec.description.as_ref()),
            ("spec.team", spec.team.as_ref()),
            ("spec.product", spec.product.as_ref()),
            ("spec.accountable.who", accountable.as_ref()),
            ("spec.accountable.delegate.who", delegate.as_ref()),
            ("spec.onCall", spec.on_call.as_ref()),
            ("spec.delivery.environment", Some(&spec.delivery.environment)),
        ];
        let mut wrong = Vec::new();
        let mut fault = |path: String, message: String| {
            wrong.push(PolicyError { path, place: None, message });
        };
        for (path, text) in texts {
            if let Some(message) = text.and_then(|text| says_nothing(text)) {
                fault(path.to_owned(), message);
            }
        }
        if let Some(message) = spec.runbook.as_ref().and_then(|url| no_address(url)) {
            fault("spec.runbook".to_owned(), message);
        }
        if spec.links.len() > LINKS_MAX {
            fault("spec.links".to_owned(), format!("a service has at most {LINKS_MAX} links"));
        }
        for (at, link) in spec.links.iter().enumerate() {
            if let Some(message) = says_nothing(&link.name) {
                fault(format!("spec.links[{at}].name"), message);
            }
            if let Some(message) = no_address(&link.url) {
                fault(format!("spec.links[{at}].url"), message);
            }
        }
        if wrong.is_empty() { Ok(Self { name: name.to_owned(), spec }) } else { Err(wrong) }
    }
}

/// What is wrong with a text that people read.
fn says_nothing(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("it says nothing\nhint: leave it out".to_owned());
    }
    let length = text.len();
    (length > TEXT_BYTES_MAX).then(|| {
        format!("it has {length} bytes\nhint: say it in {TEXT_BYTES_MAX}, and link to the rest")
    })
}

/// What is wrong with an address that people follow.
fn no_address(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_one = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if is_one && url.len() <= TEXT_BYTES_MAX && !url.chars().any(char::is_whitespace) {
        return None;
    }
    let most = TEXT_BYTES_MAX;
    Some(format!("it is no address of at most {most} bytes\nhint: write https://HOST/PATH in full"))
}

#[cfg(test)]
mod tests {
    use flyball_model::Duration;

    use super::*;

    #[test]
    fn a_service_says_what_it_likes_and_nothing_else() {
        let nothing: ServiceSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(nothing, ServiceSpec::default());
        assert!(Service::new("shop", nothing).is_ok());
        let text = r#"{"team": "checkout", "accountable": {"who": "ada"}, "onCall": "rota shop",
            "runbook": "https://wiki.example/shop",
            "links": [{"name": "code", "url": "https://code.example/shop"}],
            "delivery": {"targets": {"leadTime": "2d", "changeFailure": "15%"}}}"#;
        let spec: ServiceSpec = serde_json::from_str(text).unwrap();
        assert_eq!(spec.delivery.environment, "production");
        assert_eq!(spec.delivery.targets.lead_time, Some(Duration::from_days(2)));
        assert_eq!(spec.delivery.targets.interval, None);
        assert!(Service::new("shop", spec).is_ok());
        for wrong in [
            r#"{"tame": "checkout"}"#,
            r#"{"accountable": "ada"}"#,
            r#"{"accountable": {"who": "ada", "delegat": null}}"#,
            r#"{"delivery": {"targets": {"leadTime": "soon"}}}"#,
            r#"{"delivery": {"targets": {"rework": "110%"}}}"#,
            r#"{"delivery": {"targets": {"lead_time": "2d"}}}"#,
        ] {
            assert!(serde_json::from_str::<ServiceSpec>(wrong).is_err(), "{wrong} was accepted");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let text = r#"{"team": " ", "accountable": {"who": ""}, "runbook": "wiki/shop",
            "links": [{"name": "code", "url": "https://"}, {"name": "", "url": "http://a b"}]}"#;
        let wrong = Service::new("shop", serde_json::from_str(text).unwrap()).unwrap_err();
        let paths: Vec<&str> = wrong.iter().map(|error| error.path.as_str()).collect();
        let expected = [
            "spec.team",
            "spec.accountable.who",
            "spec.runbook",
            "spec.links[0].url",
            "spec.links[1].name",
            "spec.links[1].url",
        ];
        assert_eq!(paths, expected);
    }
}
