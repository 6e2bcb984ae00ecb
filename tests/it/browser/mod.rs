//! The pages in a real browser. `cargo xtask browser` starts it; plain `cargo test` leaves these stories out.

mod helpers;
