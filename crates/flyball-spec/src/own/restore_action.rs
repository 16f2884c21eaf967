//! `kind: RestoreAction`.

use std::path::{Component, Path};

use flyball_model::{ChangeClass, ChangeKind, HookPurpose, RestoreAction, RestoreVia};

use super::Defined;
use super::reference::{address, secret, url};
use crate::decode::{Fields, Reader, Text};
use crate::diagnostic::shown;
use crate::openslo::Version;
use crate::openslo::metadata::{description, metadata};
use crate::yaml::Node;

/// The longest name of a project, an environment, a flag, a variant or a file. Characters.
const NAME_CHARS_MAX: usize = 256;

pub(super) fn restore_action(fields: &mut Fields<'_>, r: &mut Reader<'_, '_>) -> Option<Defined> {
    let metadata = metadata(fields, Version::V1, r);
    let node = fields.require("spec", "with `service` and one of `hook`, `flagd`, `unleash`", r)?;
    let mut spec = r.fields(node)?;
    description(&mut spec, r);
    let service = spec.require_text("service", "the service whose changes it undoes", r);
    let (kinds, classes) = (spec.get("kinds"), spec.get("classes"));
    let automatic = spec.get("automatic");
    let (is_automatic, dry_run) = (spec.boolean("automatic", r), spec.boolean("dryRun", r));
    let ways = [
        spec.get("hook").map(|node| hook(node, r)),
        spec.get("flagd").map(|node| flagd(node, r)),
        spec.get("unleash").map(|node| unleash(node, r)),
    ];
    spec.finish(r);
    let kinds = words(kinds, &ChangeKind::ALL.map(|kind| (kind.name(), kind)), r);
    let classes = words(classes, &ChangeClass::ALL.map(|class| (class.name(), class)), r);
    let mut ways = ways.into_iter().flatten();
    let (Some(via), None) = (ways.next(), ways.next()) else {
        let message = "an action has exactly one of `hook`, `flagd`, `unleash`";
        r.error(node.head(r.source), message, "write an action for each");
        return None;
    };
    let (via, name) = (via?, metadata?.name);
    let automatic_at = automatic.filter(|_| is_automatic == Some(true));
    if let (Some(node), RestoreVia::Hook { purpose: HookPurpose::Drain, .. }) = (automatic_at, &via)
    {
        let message = "what is to be drained is for a person to say";
        r.error(node.span, message, "leave `automatic` out, and ask for it with a slice");
        return None;
    }
    let action = RestoreAction {
        name: name.value.clone(),
        service: service?.value,
        kinds: kinds?,
        classes: classes?,
        automatic: is_automatic.unwrap_or(false),
        dry_run: dry_run.unwrap_or(true),
        via,
    };
    Some(Defined::Restore(Box::new(action), name))
}

/// A list of words, each known; none where there is no list.
fn words<T: Copy>(
    node: Option<&Node>,
    known: &[(&str, T)],
    r: &mut Reader<'_, '_>,
) -> Option<Vec<T>> {
    r.list(node).iter().map(|node| r.word(node, known)).collect()
}

fn hook(node: &Node, r: &mut Reader<'_, '_>) -> Option<RestoreVia> {
    let mut fields = r.fields(node)?;
    let purpose = fields.require("purpose", "rollback or drain", r);
    let url = fields.require_text("url", "like https://deploys.example.com/rollback", r);
    let secret = fields.require_text("secret", "what requests are signed with", r);
    fields.finish(r);
    let purposes = [HookPurpose::Rollback, HookPurpose::Drain].map(|of| (of.name(), of));
    let purpose = purpose.and_then(|node| r.word(node, &purposes));
    let url = url.and_then(|text| address(&text, r));
    let secret = secret.and_then(|text| self::secret(&text, r));
    Some(RestoreVia::Hook { purpose: purpose?, url: url?, secret: secret? })
}

fn flagd(node: &Node, r: &mut Reader<'_, '_>) -> Option<RestoreVia> {
    let mut fields = r.fields(node)?;
    let file = fields.require_text("file", "like shop/flags.json", r);
    let flag = fields.short_text("flag", NAME_CHARS_MAX, r);
    let off = fields.short_text("off", NAME_CHARS_MAX, r);
    fields.finish(r);
    let file = file.and_then(|text| self::file(&text, r));
    Some(RestoreVia::Flagd { file: file?, flag, off })
}

fn unleash(node: &Node, r: &mut Reader<'_, '_>) -> Option<RestoreVia> {
    let mut fields = r.fields(node)?;
    let url = fields.require_text("url", "like https://unleash.example.com", r);
    let project = fields.require_text("project", "the project that the flag is of", r);
    let environment = fields.require_text("environment", "like production", r);
    let flag = fields.short_text("flag", NAME_CHARS_MAX, r);
    let token = fields.require_text("token", "where the token of the admin API is found", r);
    fields.finish(r);
    let url = url.and_then(|text| self::url(&text, r));
    let project = project.and_then(|text| named(text, r));
    let environment = environment.and_then(|text| named(text, r));
    let token = token.and_then(|text| secret(&text, r));
    Some(RestoreVia::Unleash {
        url: url?,
        project: project?,
        environment: environment?,
        flag,
        token: token?,
    })
}

/// A name that another system knows something by.
fn named(text: Text, r: &mut Reader<'_, '_>) -> Option<String> {
    if text.value.chars().count() > NAME_CHARS_MAX {
        let message = format!("a name has at most {NAME_CHARS_MAX} characters");
        r.error(text.at.span, message, "write it as the other system does");
        return None;
    }
    Some(text.value)
}

/// A file below a directory of the server's.
fn file(text: &Text, r: &mut Reader<'_, '_>) -> Option<String> {
    let path = Path::new(&text.value);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    if !is_below || !is_json || text.value.chars().count() > NAME_CHARS_MAX {
        let message = format!("`{}` is no file of flags", shown(&text.value));
        let hint =
            "name a JSON file below the server's --flag-files directory, like shop/flags.json";
        r.error(text.at.span, message, hint);
        return None;
    }
    Some(text.value.clone())
}
