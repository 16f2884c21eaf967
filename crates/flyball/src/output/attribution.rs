//! Who spent a budget, on the terminal.

use flyball_model::Timestamp;

use super::table::{finish, new_table};
use super::words;

/// Who spent the budget of an SLO, as an answer says it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Attribution {
    slo: String,
    from: Timestamp,
    to: Timestamp,
    unit: String,
    #[serde(default)]
    is_cut: bool,
    objectives: Vec<Objective>,
}

/// What the budget of one objective was spent on.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Objective {
    name: Option<String>,
    target: f64,
    valid: u64,
    spent: u64,
    usual: u64,
    unexplained: u64,
    causes: Vec<Share>,
}

#[derive(Debug, serde::Deserialize)]
struct Share {
    kind: String,
    id: String,
    service: String,
    #[serde(default)]
    class: Option<String>,
    from: Timestamp,
    to: Timestamp,
    spent: u64,
}

impl Share {
    /// What it is known by, with the service where that is another one, and the class that it was put into.
    fn called(&self) -> String {
        let Self { kind, id, service, class, .. } = self;
        let class = class.as_ref().map(|class| format!(" ({class})")).unwrap_or_default();
        if kind == "dependency" {
            format!("{service}: {id}{class}")
        } else {
            format!("{id}{class}")
        }
    }

    /// What it spent, in words.
    fn words(&self) -> String {
        format!("{} {}: {}", self.kind, self.called(), words::count(self.spent))
    }
}

impl Objective {
    /// What it was spent on, in words: causes, what is usual, what is unexplained.
    pub(crate) fn words(&self) -> String {
        let all = words::count(self.spent);
        if self.usual == self.spent {
            return format!("{all} bad, no more than usual");
        }
        let causes = self.causes.iter().filter(|cause| cause.spent > 0);
        let mut parts: Vec<String> = causes.map(Share::words).collect();
        for (said, spent) in [("as usual", self.usual), ("unexplained", self.unexplained)] {
            if spent > 0 {
                parts.push(format!("{} {said}", words::count(spent)));
            }
        }
        format!("{all} bad: {}", parts.join(", "))
    }

    /// Whether anything was spent.
    pub(crate) const fn is_spent(&self) -> bool {
        self.spent > 0
    }

    /// The share of the budget that so many are: of what may be bad among all that was valid.
    fn of_budget(&self, spent: u64) -> String {
        let allowed = (1.0 - self.target) * self.valid as f64;
        if allowed > 0.0 {
            format!("{:.1}", spent as f64 / allowed * 100.0)
        } else {
            "–".to_owned()
        }
    }
}

/// Each objective with its causes, what is usual, what is unexplained, and the sum.
pub(crate) fn by_cause(found: &Attribution) -> String {
    let unit = found.unit.replace('_', " ");
    let mut out = format!("{}: bad {unit} from {} to {}\n", found.slo, found.from, found.to);
    for objective in &found.objectives {
        if let Some(name) = objective.name.as_ref().filter(|_| found.objectives.len() > 1) {
            out.extend(["\n", name, "\n"]);
        }
        let mut table = new_table(&["CAUSE", "ID", "FROM", "TO", "SPENT", "% OF BUDGET"]);
        for cause in &objective.causes {
            let Share { kind, from, to, spent, .. } = cause;
            let [from, to] = [from, to].map(ToString::to_string);
            let share = objective.of_budget(*spent);
            table.add_row([kind.clone(), cause.called(), from, to, words::count(*spent), share]);
        }
        let sums = [
            ("usual", objective.usual),
            ("unexplained", objective.unexplained),
            ("all", objective.spent),
        ];
        for (name, spent) in sums {
            let (none, share) = (String::new, objective.of_budget(spent));
            table.add_row([name.to_owned(), none(), none(), none(), words::count(spent), share]);
        }
        out.push_str(&finish(table, &[4, 5]));
        out.push('\n');
    }
    if found.is_cut {
        out.push_str("more changes and incidents are known than were looked at: hint: ask for a shorter time\n");
    }
    words::printable(&out)
}
