//! What a pipeline says of itself in its environment.

/// The run of a pipeline; all absent outside of one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// What the run is known by: the same when a job of it is repeated by hand, another for another
    /// attempt.
    pub(super) id: Option<String>,
    /// The repository's name.
    pub(super) service: Option<String>,
    /// The environment that the job deploys to, where the pipeline says one.
    pub(super) environment: Option<String>,
    /// The tag that is built.
    pub(super) version: Option<String>,
    /// The commit that is built.
    pub(super) revision: Option<String>,
    /// Who started the run.
    pub(super) actor: Option<String>,
    /// Where its log is.
    pub(super) log: Option<String>,
}

impl Run {
    /// What the variables say that `get` gives, by GitHub's *Variables reference* and GitLab's *Predefined
    /// CI/CD variables reference*.
    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let is = |name: &str| get(name).as_deref() == Some("true");
        let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        if is("GITHUB_ACTIONS") {
            let repository = get("GITHUB_REPOSITORY");
            let run = get("GITHUB_RUN_ID");
            let attempt = get("GITHUB_RUN_ATTEMPT").unwrap_or_else(|| "1".to_owned());
            let place = repository.as_ref().zip(run.as_ref());
            let server = get("GITHUB_SERVER_URL");
            let is_tag = get("GITHUB_REF_TYPE").as_deref() == Some("tag");
            return Self {
                id: place.map(|(name, run)| format!("github:{name}:run:{run}:{attempt}")),
                log: server.zip(place).map(|(server, (repository, run))| {
                    format!("{server}/{repository}/actions/runs/{run}")
                }),
                service: repository.as_deref().map(last),
                environment: None,
                version: get("GITHUB_REF_NAME").filter(|_| is_tag),
                revision: get("GITHUB_SHA"),
                actor: get("GITHUB_ACTOR"),
            };
        }
        if is("GITLAB_CI") {
            let place = get("CI_PROJECT_PATH").zip(get("CI_PIPELINE_ID"));
            return Self {
                id: place.map(|(path, run)| format!("gitlab:{path}:pipeline:{run}")),
                service: get("CI_PROJECT_NAME"),
                environment: get("CI_ENVIRONMENT_NAME"),
                version: get("CI_COMMIT_TAG"),
                revision: get("CI_COMMIT_SHA"),
                actor: get("GITLAB_USER_LOGIN"),
                log: get("CI_JOB_URL"),
            };
        }
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Run {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Run::read(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn pipelines_say_who_they_are() {
        assert_eq!(read(&[("GITHUB_SHA", "abc")]), Run::default(), "it is no pipeline");
        let mut variables = vec![
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_SHA", "abc"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_REF_TYPE", "branch"),
            ("GITHUB_ACTOR", "ann"),
        ];
        let run = read(&variables);
        assert_eq!(run.id.as_deref(), Some("github:acme/shop:run:7:2"));
        assert_eq!(run.service.as_deref(), Some("shop"));
        assert_eq!(run.version, None, "a branch is no version");
        assert_eq!(run.log.as_deref(), Some("https://github.com/acme/shop/actions/runs/7"));
        variables.push(("GITHUB_REF_TYPE", "tag"));
        variables.retain(|pair| *pair != ("GITHUB_REF_TYPE", "branch"));
        assert_eq!(read(&variables).version.as_deref(), Some("main"));

        let run = read(&[
            ("GITLAB_CI", "true"),
            ("CI_PROJECT_PATH", "acme/backend/shop"),
            ("CI_PROJECT_NAME", "shop"),
            ("CI_PIPELINE_ID", "9"),
            ("CI_COMMIT_TAG", ""),
            ("CI_ENVIRONMENT_NAME", "staging"),
        ]);
        assert_eq!(run.id.as_deref(), Some("gitlab:acme/backend/shop:pipeline:9"));
        assert_eq!((run.version, run.environment.as_deref()), (None, Some("staging")));
    }
}
