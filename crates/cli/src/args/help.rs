//! How help is laid out: `--help` tells all, `-h` what fits on a small screen.

use clap::{Arg, Command, CommandFactory, FromArgMatches};

use regimen_base::units;

use super::{Cli, EVERYWHERE};

/// The first page: all options in one list, so that it fits on a screen.
pub const WHOLE: &str = "{about}

{usage-heading} {usage}

Commands:
{subcommands}

Options:
{options}{after-help}";

/// A group of so many commands that nothing else has room.
const COMMANDS: &str = "{about}

{usage-heading} {usage}

Commands:
{subcommands}{after-help}";

/// What `-h` says at the end in place of examples.
const MORE: &str = "More, with examples and the options of every command: --help";
/// The screen that `-h` fits on: columns, and lines with two to spare for the prompt and a usage that wraps.
const COLUMNS: usize = 80;
const LINES: usize = 22;

/// Parse the command line.
///
/// # Errors
/// What clap refuses, and help and version, which it gives as errors as well.
pub fn parse() -> Result<Cli, clap::Error> {
    let brief = std::env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "-h");
    let mut command = command(brief);
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// All commands; with `brief` their help leaves out examples and what every command takes, and each thing has one line.
pub fn command(brief: bool) -> Command {
    let command = negatives(Cli::command());
    if !brief {
        return command;
    }
    // The first page is short already.
    command.mut_args(|arg| if is_shared(&arg) { arg.hide(true) } else { arg }).mut_subcommands(shortened)
}

/// What an option makes of a number below 0 is its own to say; clap would take it for another option.
fn negatives(command: Command) -> Command {
    let of = |arg: Arg| {
        let takes = !arg.is_positional() && arg.get_action().takes_values();
        if takes { arg.allow_negative_numbers(true) } else { arg }
    };
    command.mut_args(of).mut_subcommands(negatives)
}

fn is_shared(arg: &Arg) -> bool {
    arg.get_help_heading() == Some(EVERYWHERE)
}

fn shortened(command: Command) -> Command {
    let command = one_line_each(command.mut_subcommands(shortened)).term_width(COLUMNS).after_help(MORE);
    // What stands last is needed least.
    let options: Vec<String> = command.get_opts().map(|arg| arg.get_id().to_string()).collect();
    let mut command = command;
    for (hidden, id) in options.iter().rev().enumerate() {
        if command.clone().render_help().to_string().lines().count() <= LINES {
            break;
        }
        let more = units::plural(hidden as u64 + 1, "more option");
        let more = format!("{more}, examples, and the options of every command: --help");
        command = command.mut_arg(id, |arg| arg.hide(true)).after_help(more);
    }
    let long = command.clone().render_help().to_string().lines().count() > LINES;
    if long && command.has_subcommands() { command.help_template(COMMANDS) } else { command }
}

/// Help of arguments and commands cut to what stays of a line.
fn one_line_each(command: Command) -> Command {
    // How wide arguments are shown is known once they are built, after which they can no longer be changed.
    let mut built = command.clone();
    built.build();
    let names = built.get_subcommands().map(|inner| inner.get_name().chars().count()).max();
    let widest = |arg: &Arg| arg.to_string().chars().count() + if arg.is_positional() { 0 } else { 4 };
    let positionals = built.get_positionals().map(widest).max();
    let options = built.get_arguments().filter(|arg| !arg.is_positional()).map(widest).max();
    // Two columns before the name and two behind it.
    let room = |names: Option<usize>| COLUMNS.saturating_sub(names.unwrap_or_default() + 5);
    let command = command.mut_args(|arg| {
        let defaults: usize = arg.get_default_values().iter().map(|value| value.len() + 12).sum();
        let room = room(if arg.is_positional() { positionals } else { options }).saturating_sub(defaults);
        let Some(help) = arg.get_help().map(ToString::to_string) else { return arg };
        arg.help(cut(&help, room))
    });
    command.mut_subcommands(|inner| {
        let about = inner.get_about().map(|about| cut(&about.to_string(), room(names)));
        inner.about(about.unwrap_or_default())
    })
}

/// As many whole words as there is room for.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.into();
    }
    let mut kept = String::new();
    for word in text.split(' ') {
        if kept.chars().count() + word.chars().count() + 3 > room {
            break;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    let kept = kept.trim_end_matches([',', ';', ':', '(', '.']).trim_end();
    format!("{kept} ..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_words() {
        assert_eq!(cut("Stop after this stage", 30), "Stop after this stage");
        assert_eq!(cut("Stop after this, or that", 20), "Stop after this ..");
    }

    #[test]
    fn the_grammar_is_sound() {
        command(false).debug_assert();
        command(true).debug_assert();
    }
}
