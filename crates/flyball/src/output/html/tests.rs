//! The page as a whole, from reports made by the arithmetic itself.
