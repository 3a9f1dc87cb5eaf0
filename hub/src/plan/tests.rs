//! Laws and cases over whole plans.

mod cases;
mod golden;
mod laws;
mod schema;
mod world;
