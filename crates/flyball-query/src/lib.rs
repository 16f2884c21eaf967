//! Predicates and SQL over event batches; the only crate that names DataFusion
