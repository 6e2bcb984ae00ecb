//! The deployment on this machine: an emulator of AWS on loopback, the functions built for this machine, and
//! `template.yaml` deployed as it stands.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tools::{AWS, MINISTACK, SAM, python_tool};
use crate::{cargo, door, root, run};

/// The root user of the account that requests without a signature belong to, which is where an API must be.
const ROOT: (&str, &str) = ("000000000000", "root");
const PATIENCE: Duration = Duration::from_mins(1);

/// An emulator that is ended when it is dropped.
pub(crate) struct Emulator {
    child: Child,
    port: u16,
    directory: PathBuf,
    /// The build whose functions it runs: `debug` or `release`.
    build: &'static str,
    /// Access key and secret of its administrator.
    key: (String, String),
}

/// A stack that was deployed: its outputs, and the address that its API answers at.
pub(crate) struct Deployed {
    outputs: HashMap<String, String>,
    pub(crate) door: u16,
}

impl Deployed {
    pub(crate) fn output(&self, name: &str) -> Result<&str, String> {
        self.outputs.get(name).map(String::as_str).ok_or_else(|| format!("the stack has no {name}"))
    }
}

impl Emulator {
    /// Starts it on a free port, with the functions of a build; its files go below `target/`.
    pub(crate) fn start(build: &'static str) -> Result<Self, String> {
        let directory = root().join("target/emulator");
        std::fs::create_dir_all(directory.join("state")).map_err(|error| error.to_string())?;
        let program = python_tool(MINISTACK, "ministack")?;
        let port = free_port()?;
        let log = std::fs::File::create(directory.join("emulator.log")).map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .current_dir(directory.join("state"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "localhost")
            // Functions get the credentials of their roles, and policies are enforced.
            .env("AUTH", "true")
            .env("IOT_MTLS_ENABLED", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|error| error.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("ministack: {error}"))?;
        let key = (ROOT.0.to_owned(), ROOT.1.to_owned());
        let mut emulator = Self { child, port, directory, build, key };
        let begun = Instant::now();
        while !emulator.is_ready() {
            if begun.elapsed() > PATIENCE {
                return Err(format!(
                    "the emulator does not answer; see {}/emulator.log",
                    emulator.directory.display()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // Signatures are only checked of users whose secret the emulator made.
        let user = ["--user-name", "developer"];
        emulator.aws(&["iam", "create-user", user[0], user[1]])?;
        let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
        emulator.aws(&["iam", "attach-user-policy", user[0], user[1], "--policy-arn", policy])?;
        let query = "AccessKey.[AccessKeyId,SecretAccessKey]";
        let key = emulator.aws(&["iam", "create-access-key", user[0], user[1], "--query", query])?;
        let (id, secret) = key.trim().split_once('\t').ok_or("the emulator gives no key")?;
        emulator.key = (id.to_owned(), secret.to_owned());
        Ok(emulator)
    }

    /// Runs the AWS command line; what it says.
    fn aws(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command(python_tool(AWS, "aws")?);
        command.args(arguments).args(["--output", "text"]).stderr(Stdio::inherit());
        let output = command.output().map_err(|error| format!("aws: {error}"))?;
        let shown = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("aws {shown}: {}", output.status)),
        }
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(
                b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(answer.ends_with(b"200"))
        };
        ask().unwrap_or(false)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What every program needs to find the emulator and not a real account.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", self.key.0.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.key.1.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("SAM_CLI_TELEMETRY", "0".to_owned()),
        ]
    }

    /// A program that finds the emulator.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.envs(self.environment());
        command
    }

    /// Deploys the template with every function as it was built for this machine. `at` is
    /// where its API shall answer, and `parameters` are beyond what an emulator needs.
    pub(crate) fn deploy(
        &self,
        stack: &str,
        at: TcpListener,
        base_url: &str,
        parameters: &[&str],
    ) -> Result<Deployed, String> {
        let template = self.template()?;
        let mut deploy = self.command(python_tool(SAM, "sam")?);
        deploy
            // SAM's own bucket refuses everybody but the root user without TLS.
            .envs([("AWS_ACCESS_KEY_ID", ROOT.0), ("AWS_SECRET_ACCESS_KEY", ROOT.1)])
            .args(["deploy", "--template-file"])
            .arg(&template)
            .args(["--stack-name", stack, "--resolve-s3", "--capabilities", "CAPABILITY_IAM"])
            .args([
                "--no-confirm-changeset",
                "--no-progressbar",
                "--no-fail-on-empty-changeset",
                "--region",
                "us-east-1",
            ])
            .arg("--parameter-overrides")
            .arg(format!("Architecture={}", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }))
            .arg(format!("EndpointUrl={}", self.endpoint()))
            .arg(format!("BaseUrl={base_url}"))
            // The emulator takes the limit of a mapping for a text and stops its poller.
            .args(["SmallConcurrency=0", "LargeConcurrency=0"])
            .args(parameters)
            .stdout(Stdio::null());
        run(deploy)?;
        let outputs = self.outputs(stack)?;
        let api = outputs.get("ApiId").ok_or("the stack has no API")?.clone();
        let door = door::open(at, self.port, api)?;
        Ok(Deployed { outputs, door })
    }

    /// Puts the value of a secret.
    pub(crate) fn put_secret(&self, secret: &str, value: &str) -> Result<(), String> {
        let file = self.directory.join("secret.txt");
        std::fs::write(&file, value).map_err(|error| error.to_string())?;
        let value = format!("file://{}", file.display());
        self.aws(&["secretsmanager", "put-secret-value", "--secret-id", secret, "--secret-string", &value])
            .map(drop)
    }

    /// Waits until the emulator ends, as it does with Ctrl-C.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        self.child.wait().map(drop).map_err(|error| error.to_string())
    }

    fn outputs(&self, stack: &str) -> Result<HashMap<String, String>, String> {
        let query = "Stacks[0].Outputs[].[OutputKey,OutputValue]";
        let text =
            self.aws(&["cloudformation", "describe-stacks", "--stack-name", stack, "--query", query])?;
        let outputs = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(outputs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }

    /// The template with each function's code where it was built: what `sam build` does for the architecture of the
    /// cloud.
    fn template(&self) -> Result<PathBuf, String> {
        let text =
            std::fs::read_to_string(root().join("template.yaml")).map_err(|error| error.to_string())?;
        let (mut built, mut binary) = (String::new(), "");
        for line in text.lines() {
            if let Some((_, rest)) = line.split_once("Binary: ") {
                binary = rest.split([' ', '}']).next().unwrap_or_default();
            }
            if line.trim() == "CodeUri: ." {
                let code = self.directory.join(self.build).join(binary);
                self.bootstrap(binary, &code)?;
                built.push_str(&line.replace("CodeUri: .", &format!("CodeUri: {}", code.display())));
            } else {
                built.push_str(line);
            }
            built.push('\n');
        }
        let path = self.directory.join("template.yaml");
        std::fs::write(&path, built).map_err(|error| error.to_string())?;
        Ok(path)
    }

    /// Puts a function's program, without debug information, where it is zipped from.
    fn bootstrap(&self, binary: &str, code: &Path) -> Result<(), String> {
        std::fs::create_dir_all(code).map_err(|error| error.to_string())?;
        let (from, to) = (root().join("target").join(self.build).join(binary), code.join("bootstrap"));
        let newer = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
        if newer(&to) > newer(&from) {
            return Ok(());
        }
        let stripped = Command::new("strip").arg("-o").arg(&to).arg(&from).status();
        match stripped {
            Ok(status) if status.success() => Ok(()),
            // Larger, and just as good.
            _ => std::fs::copy(&from, &to).map(drop).map_err(|error| format!("{}: {error}", from.display())),
        }
    }
}

impl Drop for Emulator {
    /// Asks it to end, so that it ends the functions it runs, and waits.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The functions and the program, with every feature, as the tests are built.
pub(crate) fn build() -> Result<(), String> {
    run(cargo(&["build", "--workspace", "--exclude", "xtask", "--all-features", "--locked", "--bins"]))
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
