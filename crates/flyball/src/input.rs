//! Flags about inputs, shared by every command that reads events, and the progress bar.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flyball_events::{Format, Input, Mapping, Progress, Projection, ReadOptions, TimeRule, expand};
use flyball_query::listed;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::talk;

/// How inputs are read.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct InputArgs {
    /// Files of events: paths, globs, or - for standard input; gzip and zstd are seen through
    #[arg(value_name = "INPUT", required = true)]
    pub(crate) inputs: Vec<String>,

    /// Format of the inputs: ndjson, common, combined, vhost-combined, nginx-main, nginx:FORMAT and
    /// apache:FORMAT with the server's own or @FILE that holds it, csv, tsv, otlp-json, otlp-proto, parquet; found by content unless given
    #[arg(long, value_name = "FORMAT", help_heading = "Input")]
    format: Option<String>,

    /// Rename an attribute of the inputs, such as `status=http.response.status_code` or ts=time
    #[arg(long = "map", value_name = "FROM=TO", help_heading = "Input")]
    map: Vec<String>,

    /// The service.name of events that have none
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub(crate) service: Option<String>,

    /// Stop at the first line that cannot be read
    #[arg(long, help_heading = "Input")]
    strict: bool,
}

impl InputArgs {
    /// The inputs that the paths and globs name, each once; a note says which were named again.
    pub(crate) fn expand(&self) -> anyhow::Result<Vec<Input>> {
        let expanded = expand(&self.inputs)?;
        if !expanded.repeated.is_empty() {
            let again = listed(expanded.repeated.iter().map(Input::name));
            talk::note(&format!("named more than once and read once: {again}"));
        }
        Ok(expanded.inputs)
    }

    /// Whether standard input is to be read for events.
    pub(crate) fn has_stdin(&self) -> bool {
        self.inputs.iter().any(|input| input == "-")
    }

    /// The options for reading `projection`.
    pub(crate) fn options(
        &self,
        projection: Projection,
        time_rule: TimeRule,
    ) -> anyhow::Result<ReadOptions> {
        let format = match self.format.as_deref() {
            None => None,
            Some(text) => Format::parse(&with_file(text)?)?,
        };
        Ok(ReadOptions {
            format,
            projection,
            mapping: Arc::new(Mapping::parse(&self.map)?),
            time_rule,
            service: self.service.clone(),
            strict: self.strict,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        })
    }
}

/// A server's log format, which `nginx:@FILE` and `apache:@FILE` take from a file.
fn with_file(text: &str) -> anyhow::Result<String> {
    match text.split_once(":@") {
        Some((server @ ("nginx" | "apache"), path)) => {
            let format = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the log format in {path}"))?;
            Ok(format!("{server}:{}", format.trim_end_matches(['\r', '\n'])))
        }
        _ => Ok(text.to_owned()),
    }
}

/// A bar on a terminal, nothing elsewhere.
pub(crate) struct Bar {
    bar: ProgressBar,
    is_sized: bool,
}

impl Bar {
    /// A bar that shows up only if the work takes longer than a blink.
    pub(crate) fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let bar = Self { bar, is_sized: false };
        // Whatever is set draws a frame, so the style comes before anything else.
        bar.style("{msg} {spinner} {bytes} {binary_bytes_per_sec}");
        bar.bar.set_message(what);
        bar
    }

    /// The templates are constants, so they always parse.
    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// Shows how far reading has come.
    pub(crate) fn show(&mut self, progress: Progress) {
        if !self.is_sized {
            self.is_sized = true;
            if let Some(total) = progress.bytes_total {
                self.style(
                    "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} eta {eta}",
                );
                self.bar.set_length(total);
            }
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
        self.bar.set_position(progress.bytes_read);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl std::fmt::Debug for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bar").finish_non_exhaustive()
    }
}
