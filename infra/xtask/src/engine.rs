//! The container engine in which `sam local` runs functions: the engine of this machine, or one that root starts for one command in the
//! network namespace of the command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::attended::{AtEnd, Attended};
use crate::sam::ARCHITECTURE;
use crate::tools::{SAM, is_root, python_tool, responds};
use crate::{root, run};

/// The advice if there is no engine and none can be started.
const MISSING: &str = "No container engine responds: install Docker (Debian: apt-get install docker.io) and let your user \
    use it, or run this command as root, which installs and starts an engine for the time of the command.";

/// The Debian packages of an engine.
const PACKAGES: [&str; 3] = ["docker.io", "containerd", "runc"];

/// The time in which an engine must start.
const PATIENCE: Duration = Duration::from_mins(1);

/// The available engine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Available {
    /// A running engine.
    Running,
    /// An engine that can be started.
    Startable,
}

/// Removes the containers of an image ($1) that did not exist before ($2), because SAM sometimes does not remove them. Also removes the
/// image if this program created it ($3).
const CLEAN: &str = r#"
for container in $(docker ps --all --quiet --filter "ancestor=$1"); do
    case "$2" in *"$container"*) ;; *) docker rm --force "$container" ;; esac
done
[ -z "$3" ] || docker image rm "$3"
"#;

/// Finds an engine. Root installs one if it is missing.
pub(crate) fn available() -> Result<Available, String> {
    find(responds, is_root, || {
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "--no-install-recommends"]).args(PACKAGES);
        run(install)
    })
}

/// Finds an engine on a machine: `responds` says whether a program runs there, and `install` installs an engine.
fn find(
    responds: impl Fn(&str, &str) -> bool,
    is_root: impl Fn() -> bool,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<Available, String> {
    if responds("docker", "version") {
        return Ok(Available::Running);
    }
    if !is_root() {
        return Err(MISSING.to_owned());
    }
    let is_missing =
        || !["docker", "dockerd", "containerd", "runc"].iter().all(|name| responds(name, "--version"));
    if is_missing() {
        install().map_err(|problem| format!("{problem}\n{MISSING}"))?;
    }
    // The installation may have started the engine.
    match () {
        () if responds("docker", "version") => Ok(Available::Running),
        () if is_missing() => Err(MISSING.to_owned()),
        () => Ok(Available::Startable),
    }
}

/// An engine with the image in which functions run.
pub(crate) struct Engine {
    /// The address of an engine that this program started.
    host: Option<String>,
    /// Removes the containers and the image from an engine that continues to run.
    cleaner: Option<AtEnd>,
    program: Option<Attended>,
}

/// The tag of SAM's image of `provided.al2023`.
const IMAGE: &str = if cfg!(target_arch = "aarch64") {
    "public.ecr.aws/lambda/provided:al2023-rapid-arm64"
} else {
    "public.ecr.aws/lambda/provided:al2023-rapid-x86_64"
};

impl Engine {
    /// Returns the engine of this machine.
    pub(crate) fn running() -> Self {
        Self { host: None, cleaner: None, program: None }
    }

    /// Starts an engine with its files below `target/`. The engine does not change the firewall or another engine.
    pub(crate) fn start() -> Result<Self, String> {
        let directory = root().join("target/sam-local");
        let (data, state) = (directory.join("engine"), directory.join("engine-state"));
        for old in [&data, &state] {
            if old.exists() {
                std::fs::remove_dir_all(old).map_err(|error| format!("{}: {error}", old.display()))?;
            }
            std::fs::create_dir_all(old).map_err(|error| format!("{}: {error}", old.display()))?;
        }
        let host = format!("unix://{}", state.join("docker.sock").display());
        let log = directory.join("engine.log");
        let mut dockerd = Command::new("dockerd");
        dockerd
            .args(["--iptables=false", "--ip6tables=false", "--storage-driver=vfs", "--bip", "172.17.0.1/16"])
            .args(["--host", &host])
            .arg("--data-root")
            .arg(&data)
            .arg("--exec-root")
            .arg(&state)
            .arg("--pidfile")
            .arg(state.join("docker.pid"));
        let file = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let program = Attended::start(dockerd, file)?;
        let mut engine = Self { host: Some(host), cleaner: None, program: Some(program) };
        let begun = Instant::now();
        while !engine.has_started() {
            let ended = engine.program.as_mut().is_some_and(Attended::has_ended);
            if ended || begun.elapsed() > PATIENCE {
                return Err(format!("the container engine does not start; see {}", log.display()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(engine)
    }

    fn has_started(&self) -> bool {
        let mut version = self.docker();
        version.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    }

    fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.envs(self.environment());
        docker
    }

    /// Returns the environment variable with which other programs find this engine.
    pub(crate) fn environment(&self) -> Option<(&'static str, String)> {
        self.host.clone().map(|host| ("DOCKER_HOST", host))
    }

    /// Returns the address at which containers reach this machine; empty if the engine does not report one.
    pub(crate) fn gateway(&self) -> Result<String, String> {
        let mut inspect = self.docker();
        inspect.args(["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]);
        let output = inspect.output().map_err(|error| format!("docker: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!("docker network inspect bridge: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
    }

    /// Creates the image in which functions run, if the engine does not have it. It contains the C library of the functions, certificates,
    /// and AWS's runtime interface emulator, which is part of SAM.
    pub(crate) fn provide_image(&mut self, function: &Path) -> Result<(), String> {
        let mut inspect = self.docker();
        inspect.args(["image", "inspect", IMAGE]).stdout(Stdio::null()).stderr(Stdio::null());
        let has_image = inspect.status().is_ok_and(|status| status.success());
        if self.program.is_none() {
            let own = if has_image { "" } else { IMAGE };
            self.cleaner = Some(AtEnd::start(CLEAN, &[IMAGE, &self.containers()?, own], self.environment())?);
        }
        if has_image {
            return Ok(());
        }
        let files = root().join("target/sam-local/image");
        if files.exists() {
            std::fs::remove_dir_all(&files).map_err(|error| format!("{}: {error}", files.display()))?;
        }
        for directory in ["tmp", "var/task", "var/rapid"] {
            std::fs::create_dir_all(files.join(directory)).map_err(|error| error.to_string())?;
        }
        copy(&runtime_interface_emulator()?, &files.join("var/rapid/aws-lambda-rie"))?;
        for library in libraries(function)? {
            let place = library.strip_prefix("/").unwrap_or(&library);
            copy(&library, &files.join(place))?;
        }
        let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
        if certificates.exists() {
            copy(certificates, &files.join("etc/ssl/certs/ca-certificates.crt"))?;
        }
        let archive = files.with_extension("tar");
        let mut tar = Command::new("tar");
        tar.arg("--create").arg("--file").arg(&archive).arg("--directory").arg(&files).arg(".");
        run(tar)?;
        let mut import = self.docker();
        import.arg("import").arg(&archive).arg(IMAGE);
        run(import)
    }

    /// Returns the ids of the containers that run functions, one in each line.
    fn containers(&self) -> Result<String, String> {
        let mut list = self.docker();
        list.args(["ps", "--all", "--quiet", "--filter"]).arg(format!("ancestor={IMAGE}"));
        let output = list.output().map_err(|error| format!("docker: {error}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Returns the dynamic libraries of a program and its loader, as `ldd` reports them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("ldd").arg(program).output().map_err(|error| format!("ldd: {error}"))?;
    if !output.status.success() {
        return Err(format!("ldd {}: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim()));
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(printed
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect())
}

/// Returns the path of AWS's runtime interface emulator in the package of SAM.
fn runtime_interface_emulator() -> Result<PathBuf, String> {
    let mut find = Command::new(python_tool(SAM, "python")?);
    find.args(["-c", "import samcli, pathlib; print(pathlib.Path(samcli.__file__).parent / 'local/rapid')"]);
    let output = find.output().map_err(|error| format!("python: {error}"))?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Path::new(&directory).join(format!("aws-lambda-rie-{ARCHITECTURE}")))
}

/// Copies a file with its permissions. For a link, copies its target.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let directory = to.parent().unwrap_or(to);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::copy(from, to))
        .map(drop)
        .map_err(|error| format!("{}: {error}", from.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Finds an engine on a machine where these programs run after the installation, and `before` it.
    fn found(is_root: bool, before: &[&str], after: &[&str]) -> (Result<Available, String>, bool) {
        let installed = Cell::new(false);
        let responds = |name: &str, argument: &str| {
            let known = if installed.get() { after } else { before };
            known.contains(&format!("{name} {argument}").as_str())
        };
        let found = find(
            responds,
            || is_root,
            || {
                installed.set(true);
                Ok(())
            },
        );
        (found, installed.get())
    }

    const PROGRAMS: [&str; 4] =
        ["docker --version", "dockerd --version", "containerd --version", "runc --version"];

    #[test]
    fn a_running_engine_is_used_by_everyone() {
        for is_root in [false, true] {
            let (engine, installed) = found(is_root, &["docker version"], &[]);
            assert!(engine == Ok(Available::Running) && !installed);
        }
    }

    #[test]
    fn without_an_engine_a_user_is_told_what_to_install() {
        for before in [&[][..], &PROGRAMS] {
            assert!(found(false, before, &[]) == (Err(MISSING.to_owned()), false));
        }
        for words in ["apt-get install docker.io", "as root"] {
            assert!(MISSING.contains(words), "{words}");
        }
    }

    #[test]
    fn root_installs_an_engine_only_if_it_is_missing() {
        assert!(found(true, &PROGRAMS, &[]) == (Ok(Available::Startable), false));
        assert!(found(true, &["docker --version"], &PROGRAMS) == (Ok(Available::Startable), true));
        assert!(found(true, &[], &["docker version"]) == (Ok(Available::Running), true));
        assert!(found(true, &[], &[]) == (Err(MISSING.to_owned()), true));
        let failed = find(|_, _| false, || true, || Err("no network".to_owned()));
        assert!(
            failed.is_err_and(|problem| problem.starts_with("no network\n") && problem.ends_with(MISSING))
        );
    }
}
