//! The stage as a recipe runs it, and the corpus as others read it.

#[cfg(test)]
mod attributes;
#[cfg(test)]
mod attributing;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod building;
#[cfg(test)]
mod columns;
#[cfg(test)]
mod common;
#[cfg(test)]
mod curating;
#[cfg(test)]
mod deduping;
#[cfg(test)]
mod exporting;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod folder_stats;
#[cfg(test)]
mod holding;
#[cfg(test)]
mod inspecting;
#[cfg(test)]
mod labels;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod mixing;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod repeating;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod sampling;
#[cfg(test)]
mod stretches;
#[cfg(test)]
mod table_steps;
#[cfg(test)]
mod tagging;
#[cfg(test)]
mod trees;
#[cfg(test)]
mod verifying;
