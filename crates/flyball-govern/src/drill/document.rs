//! A drill as it is written, and the same checked as a whole.

use std::collections::BTreeMap;

use flyball_model::{Duration, Rational};

use crate::hours::Hours;
use crate::policy::{PolicyError, read};

/// The shortest drill: below a slot nothing can be seen of it.
pub const LASTS_SHORTEST: Duration = Duration::from_seconds(10);
/// The longest drill: what lasts longer is an outage.
pub const LASTS_LONGEST: Duration = Duration::from_hours(4);
/// The longest text of a drill, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// The most dependants that are told, and the most SLOs of a hypothesis.
const LIST_MAX: usize = 64;
/// The longest notice that dependants are given.
const NOTICE_LONGEST: Duration = Duration::from_days(90);
/// The longest delay that is injected: beyond, a cut says the same.
const DELAY_LONGEST: Duration = Duration::from_minutes(5);

/// A drill with its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Drill {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub spec: DrillSpec,
}

/// What a drill says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DrillSpec {
    /// What it is for, in a sentence that dependants understand.
    pub description: String,
    /// The service that is made worse.
    pub service: String,
    /// The SLO whose surplus pays for it: its first objective.
    pub slo: String,
    /// Why it is done.
    #[serde(default)]
    pub purpose: Purpose,
    /// The share of the budget that stays, whatever happens.
    #[serde(with = "read::share")]
    pub reserve: Rational,
    /// The share of the budget that it may spend; all of the surplus unless told.
    #[serde(default, with = "read::share_or_none")]
    pub dose: Option<Rational>,
    /// How long it lasts at most.
    #[serde(deserialize_with = "read::duration")]
    pub longest: Duration,
    /// The share of traffic that it reaches.
    #[serde(default = "whole", with = "read::share")]
    pub blast_radius: Rational,
    /// The share of what it reaches that goes bad; all of it unless told.
    #[serde(default = "whole", with = "read::share")]
    pub goes_bad: Rational,
    /// What is broken.
    pub fault: Fault,
    /// By what.
    pub via: DrillVia,
    /// When people are there to see it.
    pub hours: Hours,
    /// For a planned outage: how near the end of the SLO's calendar window it may be, so that what may still go wrong
    /// by itself comes first. Anywhere unless told.
    #[serde(default, deserialize_with = "read::duration_or_none")]
    pub near_end: Option<Duration>,
    /// How long before it those who depend on the service are told.
    #[serde(default = "day", deserialize_with = "read::duration")]
    pub notice: Duration,
    /// What is expected, in a drill that is an experiment.
    #[serde(default)]
    pub hypothesis: Option<Hypothesis>,
    /// The risk of the service that it plays: how long it took to detect and to repair is measured of that one.
    #[serde(default)]
    pub risk: Option<String>,
}

/// Why a drill is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To spend a surplus, so that nobody assumes more than is promised.
    #[default]
    Surplus,
    /// To find out whether something that is believed holds.
    Experiment,
}

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "camelCase")]
pub enum Fault {
    /// Requests are answered with an HTTP status.
    Abort {
        /// The status, 200 to 599.
        status: u16,
    },
    /// Requests or bytes wait.
    Delay {
        /// How long.
        #[serde(deserialize_with = "read::duration")]
        by: Duration,
    },
    /// Connections are reset.
    Reset,
    /// Nothing gets through, and connections stay open.
    Hang,
    /// New connections are refused.
    Down,
}

impl Fault {
    /// The fault in one word, as documents say it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Abort { .. } => "abort",
            Self::Delay { .. } => "delay",
            Self::Reset => "reset",
            Self::Hang => "hang",
            Self::Down => "down",
        }
    }
}

/// By what a fault is injected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "camelCase")]
pub enum DrillVia {
    /// A proxy of Toxiproxy's, by its HTTP API.
    Toxiproxy {
        /// Its address, as in `http://127.0.0.1:8474`.
        url: String,
        /// The proxy.
        proxy: String,
    },
    /// Envoy's fault filter, by runtime keys that its admin interface changes.
    Envoy {
        /// The address of the admin interface.
        url: String,
        /// What the keys of the filter begin with: `PREFIX.abort_percent`, `PREFIX.abort_status`,
        /// `PREFIX.delay_percent`, `PREFIX.delay_ms`. `fault.http` for a filter that names none takes
        /// Envoy's own keys.
        runtime: String,
    },
    /// Headers that callers put on their requests as long as they are told to, for Envoy's fault filter with
    /// `header_abort` and `header_delay`.
    EnvoyHeaders {},
    /// A signed request to whoever can do it.
    Webhook(WebhookVia),
    /// An experiment of Chaos Toolkit's, run beside the server.
    ChaosToolkit {
        /// Its file, below the server's directory of experiments.
        experiment: String,
    },
}

/// Whoever breaks something when asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WebhookVia {
    /// Where it is asked.
    pub url: String,
    /// The environment variable with what requests are signed with.
    pub secret_env: String,
    /// Whether it ends the fault itself once an order is over and no other came. Nobody can see that it does: who writes
    /// it answers for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_by_itself: bool,
}

impl DrillVia {
    /// The kind in one word, as documents say it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Toxiproxy { .. } => "toxiproxy",
            Self::Envoy { .. } => "envoy",
            Self::EnvoyHeaders {} => "envoyHeaders",
            Self::Webhook(_) => "webhook",
            Self::ChaosToolkit { .. } => "chaosToolkit",
        }
    }

    /// Whether a fault ends by itself when nobody renews it: such a drill needs no guard. Webhooks are told how
    /// long each order holds; that they keep to it, their document says.
    pub const fn expires(&self) -> bool {
        matches!(
            self,
            Self::EnvoyHeaders {} | Self::Webhook(WebhookVia { ends_by_itself: true, .. })
        )
    }

    /// Whether it can inject `fault`.
    pub const fn can(&self, fault: &Fault) -> bool {
        match self {
            Self::Toxiproxy { .. } => !matches!(fault, Fault::Abort { .. }),
            Self::Envoy { .. } | Self::EnvoyHeaders {} => {
                matches!(fault, Fault::Abort { .. } | Fault::Delay { .. })
            }
            Self::Webhook(_) | Self::ChaosToolkit { .. } => true,
        }
    }
}

/// What is believed to hold while the fault is there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hypothesis {
    /// In words: "checkout serves without recommendations".
    pub text: String,
    /// What shows it.
    pub holds: Vec<Steady>,
}

/// An SLO that is believed to stay good enough while the fault is there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Steady {
    /// The SLO.
    pub slo: String,
    /// The share of its events that may go bad while the drill lasts.
    #[serde(with = "read::share")]
    pub bad_at_most: Rational,
}

const fn whole() -> Rational {
    Rational::ONE
}

const fn day() -> Duration {
    Duration::from_days(1)
}

impl Drill {
    /// Checks a drill as a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of the document.
    pub fn new(name: &str, spec: DrillSpec) -> Result<Self, Vec<PolicyError>> {
        let mut wrong = Faults::default();
        wrong.text("metadata.name", name);
        wrong.text("spec.description", &spec.description);
        wrong.text("spec.service", &spec.service);
        wrong.text("spec.slo", &spec.slo);
        if let Some(risk) = &spec.risk {
            wrong.text("spec.risk", risk);
        }
        for (path, is_wrong, message) in [
            (
                "spec.reserve",
                spec.reserve >= Rational::ONE,
                "all of the budget stays\nhint: write less than 100%",
            ),
            (
                "spec.dose",
                spec.dose == Some(Rational::ZERO),
                "nothing may be spent\nhint: write more than 0%",
            ),
            (
                "spec.blastRadius",
                spec.blast_radius.is_zero(),
                "it reaches nobody\nhint: write more than 0%",
            ),
            ("spec.goesBad", spec.goes_bad.is_zero(), "nothing goes bad\nhint: write more than 0%"),
            (
                "spec.nearEnd",
                spec.near_end.is_some_and(Duration::is_zero),
                "there is no time\nhint: write a length, like 14d",
            ),
            (
                "spec.notice",
                spec.notice > NOTICE_LONGEST,
                "nobody remembers so long\nhint: write at most 90d",
            ),
        ] {
            if is_wrong {
                wrong.add(path, message);
            }
        }
        if spec.longest < LASTS_SHORTEST || spec.longest > LASTS_LONGEST {
            let message = format!("a drill lasts {LASTS_SHORTEST} to {LASTS_LONGEST}");
            wrong.add("spec.longest", &message);
        }
        wrong.fault(&spec);
        wrong.via(&spec.via);
        wrong.0.extend(spec.hours.faults("spec.hours"));
        wrong.hypothesis(&spec);
        if wrong.0.is_empty() { Ok(Self { name: name.to_owned(), spec }) } else { Err(wrong.0) }
    }

    /// What it is believed to need to hold, by SLO; nothing without a hypothesis.
    pub fn steady(&self) -> BTreeMap<&str, Rational> {
        let holds = self.spec.hypothesis.iter().flat_map(|of| &of.holds);
        holds.map(|steady| (steady.slo.as_str(), steady.bad_at_most)).collect()
    }
}

#[derive(Default)]
struct Faults(Vec<PolicyError>);

impl Faults {
    fn add(&mut self, path: &str, message: &str) {
        let (path, message) = (path.to_owned(), message.to_owned());
        self.0.push(PolicyError { path, place: None, message });
    }

    fn text(&mut self, path: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(path, "it says nothing\nhint: it cannot be left out");
        } else if text.len() > TEXT_BYTES_MAX {
            let message = format!("it has {} bytes\nhint: say it in {TEXT_BYTES_MAX}", text.len());
            self.add(path, &message);
        }
    }

    fn fault(&mut self, spec: &DrillSpec) {
        match spec.fault {
            Fault::Abort { status } if !(200..=599).contains(&status) => {
                self.add("spec.fault.status", "it is no status\nhint: write one like 503");
            }
            Fault::Delay { by } if by.is_zero() || by > DELAY_LONGEST => {
                let message = format!("a delay has a length of at most {DELAY_LONGEST}");
                self.add("spec.fault.by", &message);
            }
            Fault::Down if spec.blast_radius < Rational::ONE => {
                let message = "what is down is down for all\nhint: leave it out, or use `reset`";
                self.add("spec.blastRadius", message);
            }
            _ => {}
        }
        // What callers are told to send reaches so many of a hundred requests.
        let hundredths = u128::from(spec.blast_radius.numerator()) * 100;
        let is_whole = hundredths.is_multiple_of(u128::from(spec.blast_radius.denominator()));
        if matches!(spec.via, DrillVia::EnvoyHeaders {}) && !is_whole {
            let message = "`envoyHeaders` reaches whole per cents of requests\nhint: write whole per cents, like 33%, or use `envoy`";
            self.add("spec.blastRadius", message);
        }
        if !spec.via.can(&spec.fault) {
            let (via, fault) = (spec.via.kind(), spec.fault.kind());
            let can = match spec.via {
                DrillVia::Toxiproxy { .. } => "delay, reset, hang or down",
                _ => "abort or delay",
            };
            self.add(
                "spec.fault.kind",
                &format!("`{via}` cannot do `{fault}`\nhint: it can do {can}"),
            );
        }
    }

    fn via(&mut self, via: &DrillVia) {
        match via {
            DrillVia::Toxiproxy { url, proxy } => {
                self.address("spec.via.url", url);
                self.text("spec.via.proxy", proxy);
            }
            DrillVia::Envoy { url, runtime } => {
                self.address("spec.via.url", url);
                let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                if runtime.is_empty() || !runtime.bytes().all(is_key) {
                    let message =
                        "it is no beginning of keys\nhint: write letters, digits, `.`, `_` and `-`";
                    self.add("spec.via.runtime", message);
                }
            }
            DrillVia::EnvoyHeaders {} => {}
            DrillVia::Webhook(of) => {
                self.address("spec.via.url", &of.url);
                if !of.secret_env.starts_with(flyball_model::SECRET_PREFIX) {
                    let prefix = flyball_model::SECRET_PREFIX;
                    let message = format!(
                        "it is no variable that holds a secret\nhint: its name begins with {prefix}"
                    );
                    self.add("spec.via.secretEnv", &message);
                }
            }
            DrillVia::ChaosToolkit { experiment } => {
                let is_below = !experiment.starts_with('/')
                    && !experiment.split(['/', '\\']).any(|part| part == "..");
                let is_kind = [".json", ".yaml", ".yml"].iter().any(|of| experiment.ends_with(of));
                if !is_below || !is_kind {
                    let message = "it is no file of an experiment\nhint: write a path below the directory of experiments that ends in .json or .yaml";
                    self.add("spec.via.experiment", message);
                }
            }
        }
    }

    fn address(&mut self, path: &str, url: &str) {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let is_one = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        if !is_one || url.len() > TEXT_BYTES_MAX || url.contains(char::is_whitespace) {
            self.add(path, "it is no address\nhint: write http://HOST:PORT in full");
        }
    }

    fn hypothesis(&mut self, spec: &DrillSpec) {
        let Some(Hypothesis { text, holds }) = &spec.hypothesis else {
            if spec.purpose == Purpose::Experiment {
                let message = "an experiment believes something\nhint: write `text` and `holds`";
                self.add("spec.hypothesis", message);
            }
            return;
        };
        self.text("spec.hypothesis.text", text);
        if holds.is_empty() || holds.len() > LIST_MAX {
            let message = format!("it is shown by 1 to {LIST_MAX} SLOs");
            self.add("spec.hypothesis.holds", &message);
        }
        for (at, steady) in holds.iter().enumerate().take(LIST_MAX) {
            let path = format!("spec.hypothesis.holds[{at}].slo");
            self.text(&path, &steady.slo);
            if holds[..at].iter().any(|other| other.slo == steady.slo) {
                self.add(&path, &format!("`{}` is there already", steady.slo));
            }
        }
    }
}
