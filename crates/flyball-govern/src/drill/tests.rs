//! Drills: published numbers, a naive second computation, and every way in which one ends.
