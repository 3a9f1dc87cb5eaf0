//! Laws and cases over whole plans.

mod cases;
mod generate;
mod golden;
mod histories;
mod laws;
mod schema;
mod world;
