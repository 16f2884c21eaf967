//! What would be done about a change, exactly, without a secret.

use flyball_connect::restore::{Order, unleash_address};
use flyball_govern::SERVER;
use flyball_govern::restore::{Edit, Plan, RestoreState, Restores, Restoring};
use flyball_govern::verdict::Answer;
use flyball_model::{Address, RestoreAction, RestoreVia, SecretRef, Timestamp};
use sha2::{Digest, Sha256};

use super::Restorer;
use super::flags::Switch;
use crate::changes::Kept;
use crate::hex::hex;

/// The longest value of a file that is shown of what is to be replaced. Bytes of JSON.
const VALUE_BYTES_MAX: usize = 4 << 10;

/// Who asks, and for what.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Who, as the audit log names them.
    pub(crate) by: String,
    /// As what.
    pub(crate) role: Option<String>,
    /// What is to be drained.
    pub(crate) slice: Option<String>,
    /// Whether it is to be done, and not only told.
    pub(crate) is_begun: bool,
}

impl Restorer {
    /// The use of `action` on a change, planned or to be begun. Where nothing can be told of what it would do,
    /// its problem says why.
    pub(crate) async fn plan(
        &self,
        kept: &Kept,
        action: &RestoreAction,
        asked: Asked,
        at: Timestamp,
    ) -> Restoring {
        let Asked { by, role, slice, is_begun } = asked;
        let key = self.key(&kept.change.id, &action.name, slice.as_deref());
        let state = if is_begun { RestoreState::Begun } else { RestoreState::Planned };
        let mut restoring = Restoring {
            key,
            action: action.name.clone(),
            does: Restores::of(&action.via),
            slice,
            flag: action.via.flag(&kept.change).map(str::to_owned),
            automatic: is_begun && by == SERVER,
            by,
            role,
            at,
            plan: None,
            state,
            attempts: 0,
            next: is_begun.then_some(at),
            problem: None,
            ended: None,
            change: None,
            is_owed: false,
        };
        match self.planned(kept, action, &restoring).await {
            Ok(plan) => restoring.plan = Some(plan),
            Err(problem) => restoring.problem = Some(problem),
        }
        restoring
    }

    async fn planned(
        &self,
        kept: &Kept,
        action: &RestoreAction,
        restoring: &Restoring,
    ) -> Result<Plan, String> {
        let no_flag = || "nobody says which flag it is".to_owned();
        let post = |url, body| Ok(Plan::Request { method: "POST".to_owned(), url, body });
        match &action.via {
            RestoreVia::Hook { purpose, url, .. } => {
                let (changes, change) = (self.changes.clone(), kept.change.clone());
                let to = tokio::task::spawn_blocking(move || changes.before(&change)).await;
                let to = to.map_err(|error| error.to_string())?;
                let to = to.map_err(|error| error.to_string())?;
                let verdict = kept.verdict.iter();
                let objectives = verdict.flat_map(|verdict| &verdict.objectives);
                let regressed = objectives.filter(|of| of.answer == Answer::Regressed);
                let order = Order {
                    key: &restoring.key,
                    action: &action.name,
                    purpose: *purpose,
                    change: &kept.change,
                    to: to.as_ref(),
                    slice: restoring.slice.as_deref().and_then(|slice| slice.split_once('=')),
                    objectives: regressed.map(|of| of.slo.as_str()).collect(),
                    by: &restoring.by,
                    automatic: restoring.automatic,
                    at: restoring.at,
                };
                post(shown(url), order.body())
            }
            RestoreVia::Flagd { file, off, .. } => {
                let (flag, off) = (restoring.flag.clone().ok_or_else(no_flag)?, off.clone());
                let (flags, file) = (self.flags.clone(), file.clone());
                let switch = Switch { file: file.clone(), flag, off };
                let planned = tokio::task::spawn_blocking(move || flags.plan(&switch)).await;
                let edits = planned.map_err(|error| error.to_string())?;
                let edits = edits.map_err(super::FlagsError::problem)?;
                Ok(Plan::Edit { file, edits: edits.into_iter().map(bounded).collect() })
            }
            RestoreVia::Unleash { url, project, environment, .. } => {
                let flag = restoring.flag.as_deref().ok_or_else(no_flag)?;
                post(unleash_address(url, project, environment, flag), String::new())
            }
        }
    }

    /// What the use of an action on a change is known by: 64 hexadecimal digits, other ones on every server.
    fn key(&self, change: &str, action: &str, slice: Option<&str>) -> String {
        let slice = slice.unwrap_or_default();
        let of = format!("{}\0restore\0{change}\0{action}\0{slice}", self.origin);
        hex(&Sha256::digest(of))
    }
}

/// An address as it may be shown: where it is found, if it is a secret.
fn shown(url: &Address) -> String {
    match url {
        Address::Plain(url) => url.clone(),
        Address::Secret(SecretRef::Env(name)) => format!("env:{name}"),
        Address::Secret(SecretRef::File(name)) => format!("file:{name}"),
    }
}

/// An edit as it is kept: what is replaced may be long, and is shown by its beginning then.
fn bounded(edit: Edit) -> Edit {
    let text = edit.from.to_string();
    if text.len() <= VALUE_BYTES_MAX {
        return edit;
    }
    let begin = &text[..text.floor_char_boundary(VALUE_BYTES_MAX)];
    Edit { from: format!("{begin}… ({} bytes)", text.len()).into(), ..edit }
}
