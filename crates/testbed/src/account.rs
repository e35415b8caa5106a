//! Who runs database servers, which refuse to run as root.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// Another account if we are root, and our own otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    /// User and group, if we are root.
    other: Option<(u32, u32)>,
}

impl Account {
    /// `own` is the account that the packages make.
    pub(crate) fn find(own: &str) -> Result<Self> {
        if number("-u", None) != Some(0) {
            return Ok(Self { other: None });
        }
        let other = [own, "nobody"]
            .iter()
            .find_map(|name| Some((number("-u", Some(name))?, number("-g", Some(name))?)));
        let other = other.context("there is no account that could run the server")?;
        Ok(Self { other: Some(other) })
    }

    pub(crate) fn own(self, path: &Path) -> Result<()> {
        if let Some((user, group)) = self.other {
            std::os::unix::fs::chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    pub(crate) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = match self.other {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={user}"))
                    .arg(format!("--regid={group}"))
                    .args(["--clear-groups", "--"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(folder);
        command
    }
}

fn number(flag: &str, name: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(flag).args(name).output().ok()?;
    let told = String::from_utf8(output.stdout).ok()?;
    told.trim().parse().ok()
}
