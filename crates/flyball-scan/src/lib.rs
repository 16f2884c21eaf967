//! The byte scanner: structural masks by SIMD chosen at run time
