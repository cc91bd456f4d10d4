//! `regimen man`: the manual, as man pages or as one Markdown page, from the tables that also parse the command line.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Command;
use clap_mangen::Man;
use regimen_base::{fs, suggest};

use crate::Context;
use crate::args::{self, ManArgs};
use crate::output::{Explain, Fault, print, say, unwritten};

/// Columns of the help on the Markdown page.
const WIDTH: usize = 100;

pub fn man(context: &Context, args: &ManArgs) -> anyhow::Result<u8> {
    if args.markdown {
        print(reference().trim_end())?;
        return Ok(0);
    }
    let mut all = args::command(false);
    all.build();
    if let Some(folder) = &args.to {
        fs::create_dir_all(folder).explain()?;
        let mut pages = 0;
        for command in every(&all) {
            let page = Man::new(command.clone());
            fs::write(&folder.join(page.get_filename()), &rendered(&page)?).explain()?;
            pages += 1;
        }
        let shown = folder.display();
        say(&context.global, format!("{pages} man pages in {shown}"));
        return Ok(0);
    }
    let mut command = &all;
    for word in &args.command {
        command = command.find_subcommand(word).ok_or_else(|| {
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            let hint = if names.is_empty() {
                format!("`{}` has no commands of its own", command.get_name())
            } else {
                suggest::hint(word, names)
            };
            Fault::new(format!("there is no command `{}`", args.command.join(" ")), hint)
        })?;
    }
    let page = rendered(&Man::new(command.clone()))?;
    std::io::stdout().lock().write_all(&page).map_err(unwritten)?;
    Ok(0)
}

fn rendered(page: &Man) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    page.render(&mut bytes)?;
    Ok(bytes)
}

/// A command and all below it.
fn every(command: &Command) -> Vec<&Command> {
    let mut found = vec![command];
    command.get_subcommands().for_each(|inner| found.extend(every(inner)));
    found
}

/// `docs/reference.md`: the help of every command.
pub fn reference() -> String {
    let mut all = args::command(false).term_width(WIDTH);
    all.build();
    let mut text = String::from(
        "# Command reference\n\nThe help of every command. Written by `regimen man --markdown` from the table that also parses \
         the command line;\na test fails when this page is out of date. What recipes are made of is in \
         [recipes.md](recipes.md).\n",
    );
    for command in every(&all) {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_string();
        let help = command.clone().term_width(WIDTH).render_help().to_string();
        let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_fresh() {
        let written = include_str!("../../../../docs/reference.md");
        assert!(
            written.trim_end() == reference().trim_end(),
            "run `cargo run -- man --markdown > docs/reference.md`"
        );
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let mut all = args::command(false);
        all.build();
        let mut names: Vec<String> =
            every(&all).iter().map(|c| Man::new((*c).clone()).get_filename()).collect();
        let many = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), many);
        assert!(
            names.contains(&"regimen.1".into()) && names.contains(&"regimen-corpus-build.1".into()),
            "{names:?}"
        );
    }
}
