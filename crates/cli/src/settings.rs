//! Settings and where they come from: flag > environment `REGIMEN_*` > project `regimen.toml` > user file > default.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use regimen_base::{fs, suggest};
use regimen_tensor::Device;

use crate::args::Global;
use crate::output::{Explain, Fault};

/// One setting with its value and origin.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Setting {
    pub name: &'static str,
    pub value: String,
    pub origin: String,
    pub doc: &'static str,
}

/// Name, environment variable, kind of value, what it does.
const KNOWN: [(&str, &str, Kind, &str); 4] = [
    ("device", "REGIMEN_DEVICE", Kind::Device, "where to compute"),
    ("threads", "REGIMEN_THREADS", Kind::Count, "threads to compute with; 0 in a file takes all cores"),
    ("quiet", "REGIMEN_QUIET", Kind::Switch, "say nothing but errors"),
    ("report", "REGIMEN_REPORT", Kind::Switch, "write a report at the end of `regimen run`"),
];

/// More threads than any machine has use for; each costs memory.
const MOST_THREADS: usize = 1024;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Device,
    Count,
    Switch,
}

impl Kind {
    fn accepts(self, text: &str) -> bool {
        match self {
            Kind::Device => Device::parse(text).is_ok(),
            Kind::Count => text.parse::<usize>().is_ok_and(|n| n <= MOST_THREADS),
            Kind::Switch => matches!(text, "true" | "false" | "1" | "0"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Device => "a device of this program, which computes on `cpu` alone",
            Kind::Count => "a whole number of at most 1024",
            Kind::Switch => "true or false",
        }
    }
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Settings {
    all: Vec<Setting>,
}

impl Settings {
    /// Gather them. `project` is the folder whose `regimen.toml` counts.
    pub fn load(global: &Global, project: &Path) -> anyhow::Result<Settings> {
        let mut all: Vec<Setting> = KNOWN
            .iter()
            .map(|(name, _, _, doc)| Setting {
                name,
                value: match *name {
                    "device" => "cpu",
                    "threads" => "0",
                    "report" => "true",
                    _ => "false",
                }
                .into(),
                origin: "default".into(),
                doc,
            })
            .collect();
        let mut set = |name: &str, value: String, origin: String| {
            if let Some(setting) = all.iter_mut().find(|s| s.name == name) {
                (setting.value, setting.origin) = (value, origin);
            }
        };
        for file in files(project) {
            for (name, value) in read(&file)? {
                set(&name, value, file.display().to_string());
            }
        }
        for (name, variable, kind, _) in KNOWN {
            if let Ok(value) = std::env::var(variable) {
                if !kind.accepts(&value) {
                    return Err(Fault::new(
                        format!("environment variable {variable}: `{value}` is not {}", kind.name()),
                        "correct it, or unset it",
                    ));
                }
                // In a file 0 takes back what a weaker one says; here it would do nothing but leave it out.
                if kind == Kind::Count && value.parse::<usize>() == Ok(0) {
                    return Err(Fault::new(
                        format!(
                            "environment variable {variable}: `{value}` is not a whole number from 1 to {MOST_THREADS}"
                        ),
                        "unset it to use all cores",
                    ));
                }
                set(name, value, format!("environment variable {variable}"));
            }
        }
        if let Some(device) = &global.device {
            Device::parse(device).explain()?;
            set("device", device.clone(), "flag --device".into());
        }
        if let Some(threads) = global.threads {
            if !(1..=MOST_THREADS).contains(&threads) {
                return Err(Fault::new(
                    format!("--threads {threads} is not a whole number from 1 to {MOST_THREADS}"),
                    "leave it out to use all cores",
                ));
            }
            set("threads", threads.to_string(), "flag --threads".into());
        }
        if global.quiet {
            set("quiet", "true".into(), "flag --quiet".into());
        }
        Ok(Settings { all })
    }

    pub fn all(&self) -> &[Setting] {
        &self.all
    }

    fn value(&self, name: &str) -> &str {
        self.all.iter().find(|s| s.name == name).map_or("", |s| &s.value)
    }

    /// The value of a setting that somebody chose: not its default.
    pub fn chosen(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|s| s.name == name && s.origin != "default").map(|s| s.value.as_str())
    }

    fn switch(&self, name: &str) -> bool {
        matches!(self.value(name), "true" | "1")
    }

    /// Threads to compute with. By default `sharing` processes share the processors evenly.
    pub fn threads(&self, sharing: usize) -> usize {
        match self.value("threads").parse() {
            Ok(0) | Err(_) => {
                let all = std::thread::available_parallelism().map_or(1, usize::from);
                (all / sharing.max(1)).max(1)
            }
            Ok(n) => n,
        }
    }

    pub fn quiet(&self) -> bool {
        self.switch("quiet")
    }

    pub fn report(&self) -> bool {
        self.switch("report")
    }
}

fn user_file() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(folder.join("regimen/regimen.toml"))
}

/// Files that settings come from, the strongest last: the user's and the project's.
pub fn files(project: &Path) -> Vec<PathBuf> {
    user_file().into_iter().chain([project.join("regimen.toml")]).collect()
}

fn read(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    // Only a file that is not there has nothing to say: one that cannot be read may hold what the user relies on.
    match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => {
            let hint = "settings are a file; move the folder away";
            return Err(Fault::new(format!("`{}` is a folder", file.display()), hint));
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => {
            return Err(Fault::new(
                format!("cannot look at `{}`: {error}", file.display()),
                "make it readable for this user, or set XDG_CONFIG_HOME to a folder of this user's",
            ));
        }
        Ok(_) => {}
    }
    let text = fs::read_text(file).explain()?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Fault::new(format!("`{}`: {}", file.display(), error.message()), "correct the file, or remove it")
    })?;
    let mut found = Vec::new();
    for (name, value) in table {
        let Some((_, _, kind, _)) = KNOWN.iter().find(|known| known.0 == name) else {
            let names = KNOWN.iter().map(|known| known.0);
            return Err(Fault::new(
                format!("`{}`: unknown setting `{name}`", file.display()),
                suggest::hint(&name, names),
            ));
        };
        let value = match value {
            toml::Value::Integer(n) => n.to_string(),
            toml::Value::Boolean(b) => b.to_string(),
            toml::Value::String(text) => text,
            other => format!("{other:?}"),
        };
        if !kind.accepts(&value) {
            return Err(Fault::new(
                format!("`{}`: `{name}` is {value}, not {}", file.display(), kind.name()),
                "correct the value",
            ));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// The project folder: `--project`, or the nearest one above the current folder that has a store or a `regimen.toml`,
/// or the current folder.
pub fn project(global: &Global) -> anyhow::Result<PathBuf> {
    if let Some(project) = &global.project {
        if !project.is_dir() {
            return Err(Fault::new(
                format!("project folder `{}` does not exist", project.display()),
                "create it, or leave out `--project`",
            ));
        }
        return Ok(project.clone());
    }
    let here = std::env::current_dir()?;
    // Objects that were fetched for one step alone lie in a `.regimen`, too, which is no store yet.
    let is_project =
        |dir: &&Path| dir.join(".regimen/version").is_file() || dir.join("regimen.toml").is_file();
    let found = here.ancestors().find(is_project);
    Ok(found.unwrap_or(&here).to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_file_is_read_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("regimen.toml");
        fs::write(&file, b"threads = 3\n").unwrap();
        assert_eq!(read(&file).unwrap(), [("threads".to_string(), "3".to_string())]);
        fs::write(&file, b"thread = 3\n").unwrap();
        let error = read(&file).unwrap_err();
        let fault = error.downcast_ref::<Fault>().unwrap();
        assert!(fault.message.contains("unknown setting `thread`"));
        assert_eq!(fault.hint.as_deref(), Some("did you mean `threads`?"));
        fs::write(&file, b"threads = \"many\"\n").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("not a whole number"));
    }

    #[test]
    fn no_threads_at_all_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let load =
            |threads| Settings::load(&Global { threads: Some(threads), ..Global::default() }, dir.path());
        let told = load(0).err().unwrap();
        assert!(told.to_string().contains("--threads 0 is not a whole number from 1 to"), "{told}");
        assert!(told.downcast_ref::<Fault>().unwrap().hint.as_ref().unwrap().contains("to use all cores"));
        assert_eq!(load(1).unwrap().threads(1), 1);
        assert!(load(MOST_THREADS + 1).is_err());
    }

    #[test]
    fn flags_win_over_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(&dir.path().join("regimen.toml"), b"threads = 3\nreport = false\n").unwrap();
        let global = Global { threads: Some(2), ..Global::default() };
        let settings = Settings::load(&global, dir.path()).unwrap();
        assert_eq!(settings.threads(3), 2);
        assert!(!settings.report());
        assert_eq!(settings.all()[1].origin, "flag --threads");
    }
}
