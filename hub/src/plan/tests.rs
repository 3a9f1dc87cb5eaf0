//! Laws and cases over whole plans.

mod cases;
mod demotions;
mod diversion;
mod generate;
mod golden;
mod histories;
mod laws;
mod routings;
mod schema;
mod world;
