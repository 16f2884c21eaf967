//! What a criterion may speak of.

use crate::policy::{HOLDERS, variables};

const MARKS: &[&str] = &["low", "high"];

variables! {
    ServiceTier "service.tier" Text &[],
        "the tier's name";
    ServiceOwned "service.owned" Bool &[],
        "a team and an accountable product manager are named; unknown when nothing describes the service";
    ServiceFunded "service.funded" Bool &[],
        "its team is paid for today; unknown when nobody says until when";
    ServiceRunbook "service.runbook" Bool &[],
        "it says what to do when it is down";
    ServiceRevenue "service.revenue_per_hour" Number &[],
        "what it earns in an hour, in its own currency; unknown when nobody says";
    ServiceFaults "service.catalogue_faults" Number &[],
        "how many things the catalogue finds wrong with it";
    ServiceToil "service.toil" Text MARKS,
        "how much toil it takes, as was said last; unknown when nobody said";
    ServiceSatisfaction "service.satisfaction" Text MARKS,
        "how satisfied its users are, as was said last; unknown when nobody said";
    CustodyHolder "custody.holder" Text HOLDERS,
        "who carries the pager";
    CustodyMonths "custody.months" Number &[],
        "for how many whole months of the calendar they have carried it";
    CustodySelfManaged "custody.self_managed_months" Number &[],
        "for how many whole months of the calendar its developers have carried it without a break, alone or in a shared rota; unknown while SRE does";
    SloCount "slo.count" Number &[],
        "how many SLOs it has";
    SloMissed "slo.missed" Number &[],
        "how many of them are missed over their windows; unknown when one has no data";
    BudgetRemaining "budget.remaining_share" Number &[],
        "the least that is left of any of its budgets; negative when overspent, unknown when one has no data or there is none";
    BudgetCoverage "budget.coverage" Number &[],
        "the least share of the 10 s slots of a window that hold data, 0 to 1, which is low where little is asked; unknown when it is of one of them";
    BudgetHours "budget.hours_covered" Number &[],
        "the least share of the hours of the last 28 days that hold data, 0 to 1; hours that corrections take out are left out";
    BudgetKeptMonths "budget.kept_months" Number &[],
        "for how many complete months of the calendar in a row, up to the last, all its budgets were kept; a month without data ends the row, and is unknown when it is the last";
    BudgetQuartersMissed "budget.quarters_missed" Number &[],
        "in how many of the last four complete quarters a budget was missed; unknown when none has data";
    TrafficPerDay "traffic.per_day" Number &[],
        "valid events a day, on average over 28 days";
    AlertsPaging "alerts.paging_rules" Number &[],
        "how many of its alert rules page";
    AlertsRunbooks "alerts.runbook_share" Number &[],
        "the share of them that names a runbook; unknown when none pages";
    AlertsTold "alerts.told" Number &[],
        "how many alert targets are told of its pages";
    PagesPerWeek "pages.per_week" Number &[],
        "pages a week, on average over four weeks";
    ChangesDeployments "changes.deployments" Number &[],
        "how often it was deployed in 90 days";
    ChangesFailureRate "changes.failure_rate" Number &[],
        "the share of these deployments that failed, of those of which that is decided; unknown without any";
    ChangesLeadTime "changes.lead_time" Length &[],
        "half of its commits reach users within this time";
    ChangesRestore "changes.restore" Length &[],
        "half of its outages are over within this time; unknown without any";
    IncidentsOpen "incidents.open" Number &[],
        "incidents that are not resolved";
    IncidentsUnwritten "incidents.unwritten" Number &[],
        "post-mortems that are due and not written";
    DependenciesHard "dependencies.hard" Number &[],
        "how many services it cannot do without";
    DependenciesWithoutSlo "dependencies.without_slo" Number &[],
        "how many of these have no SLO";
    DependenciesAbove "dependencies.exceeded" Bool &[],
        "it promises more than its hard dependencies allow";
}
