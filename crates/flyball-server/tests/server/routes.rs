//! Every route: who may ask it, what the audit log says of it, how its lists are paged, what its numbers may be and how
//! long its texts. What is expected stands in two tables, `routes/table.txt` and `routes/lists.txt`, and in the
//! description; a route that the description has and a table has not fails.

mod bounds;
mod documents;
mod lists;
mod made;
mod permissions;
mod table;
mod world;
