//! Test support: generators, naive oracles, file builders
