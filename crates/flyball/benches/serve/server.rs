//! The server that is measured, a process of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use tokio::runtime::Runtime;

use crate::{SETTLE_MAX, now};

pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(directory: &Path, documents: &str) -> anyhow::Result<Self> {
        fs::write(directory.join("slos.yaml"), documents)?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_flyball"))
            .args(["serve", "--data", "data", "--slo", "slos.yaml", "--listen", "127.0.0.1:0"])
            // All that was sent is still there when it starts again.
            .args(["--keep-journal-mib", "65536"])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("it is piped")?).lines();
        let address = loop {
            let line = lines.next().context("the server did not start")??;
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().parse()?;
            }
        };
        // What else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the ledger holds `events`, and they are on their way into segments.
    pub(crate) fn settle(&self, runtime: &Runtime, events: u64) -> anyhow::Result<()> {
        self.count(runtime, events)?;
        let begun = now();
        while self.stored(runtime)? < events {
            ensure!(now().duration_since(begun) < SETTLE_MAX, "not all events are stored");
        }
        Ok(())
    }

    /// Waits until the ledger holds `events`.
    pub(crate) fn count(&self, runtime: &Runtime, events: u64) -> anyhow::Result<()> {
        let begun = now();
        loop {
            let said: serde_json::Value = runtime.block_on(async {
                let url = format!("http://{}/api/v1/slos", self.address);
                reqwest::get(url).await?.json().await
            })?;
            let slos = said["slos"].as_array().context("a list")?;
            let counted = slos.iter().step_by(crate::SLOS / crate::load::SERVICES).map(|slo| {
                let objective = &slo["objectives"][0];
                let of = |part: &str| objective[part]["valid"].as_u64().unwrap_or(0);
                of("budget") + of("newest")
            });
            let counted: u64 = counted.sum();
            if counted == events {
                return Ok(());
            }
            if counted > events || now().duration_since(begun) > SETTLE_MAX {
                bail!("{counted} of {events} events are counted");
            }
        }
    }

    /// How many events were taken up to be stored.
    fn stored(&self, runtime: &Runtime) -> anyhow::Result<u64> {
        let url = format!("http://{}/metrics", self.address);
        let text = runtime.block_on(async { reqwest::get(url).await?.text().await })?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("flyball_segments_events_total "));
        Ok(line.context("flyball_segments_events_total")?.trim().parse()?)
    }

    /// CPU seconds of the process so far: fields 14 and 15 of `/proc/PID/stat`, in hundredths.
    pub(crate) fn cpu(&mut self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("a name in brackets")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
    }

    /// CPU seconds so far by what threads are for, the most first.
    pub(crate) fn cpu_by_thread(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let mut used: BTreeMap<String, f64> = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // One may have ended since.
            let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
            let (name, fields) = stat.rsplit_once(") ").context("a name in brackets")?;
            let (_, name) = name.split_once('(').context("a name in brackets")?;
            let fields: Vec<&str> = fields.split(' ').collect();
            let seconds = (fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0;
            let kind = name.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit());
            *used.entry(kind.to_owned()).or_default() += seconds;
        }
        let mut used: Vec<_> = used.into_iter().collect();
        used.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        Ok(used)
    }

    /// Bytes of the process in memory.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).context("VmRSS")?;
        let kilobytes = line.split_whitespace().nth(1).context("a number")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }

    /// Bytes of the journal in `directory`.
    pub(crate) fn journal(directory: &Path) -> anyhow::Result<u64> {
        let files = fs::read_dir(directory.join("data/journal"))?;
        files.map(|file| Ok(file?.metadata()?.len())).sum()
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
