//! The real binary: what it prints, how it ends, and what it leaves behind when it is stopped or the disk fails.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod attribute;
mod browser;
mod care;
mod classifier;
mod commands;
mod common;
mod corpus_memory;
mod crash;
mod damage;
mod dashboard;
mod disk;
mod first;
mod folder_outputs;
mod folder_rows;
mod folder_tables;
mod folders;
mod golden;
mod graph;
mod help;
mod input;
mod locks;
mod memory;
mod profile;
mod recipes;
mod runs;
mod step_faults;
mod steps_memory;
mod table_folders;
mod task_rounds;
mod task_stretches;
mod tasks;
mod tokens;
