//! Every route: who may ask it, what the audit log says of it, and how its lists are paged. What is expected stands in
//! two tables, `routes/table.txt` and `routes/lists.txt`; a route that the description has and a table has not fails.

mod lists;
mod made;
mod permissions;
mod table;
mod world;
