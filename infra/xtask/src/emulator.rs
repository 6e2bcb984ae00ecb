//! The deployment on this machine: an emulator of AWS on loopback, with the template and the functions from `sam build`.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::attended::Attended;
use crate::sam::{ARCHITECTURE, sam};
use crate::tools::{AWS, MINISTACK, python_tool};
use crate::{reverse_proxy, root, run};

/// The root user of the account in which the emulator handles unsigned requests. An API must be in that account.
const ROOT: (&str, &str) = ("000000000000", "root");
const PATIENCE: Duration = Duration::from_mins(1);

/// An emulator. Dropping it ends its process.
pub(crate) struct Emulator {
    program: Attended,
    port: u16,
    directory: PathBuf,
    /// The access key and the secret of the administrator.
    key: (String, String),
}

/// A deployed stack: its outputs, and the address of its API.
pub(crate) struct Deployed {
    outputs: HashMap<String, String>,
    pub(crate) proxy: u16,
}

impl Deployed {
    pub(crate) fn output(&self, name: &str) -> Result<&str, String> {
        self.outputs.get(name).map(String::as_str).ok_or_else(|| format!("the stack has no {name}"))
    }
}

impl Emulator {
    /// Starts an emulator on a free port, with its files below `target/`.
    pub(crate) fn start() -> Result<Self, String> {
        let directory = root().join("target/emulator");
        std::fs::create_dir_all(directory.join("state")).map_err(|error| error.to_string())?;
        let program = python_tool(MINISTACK, "ministack")?;
        let port = free_port()?;
        let log = std::fs::File::create(directory.join("emulator.log")).map_err(|error| error.to_string())?;
        let mut ministack = Command::new(program);
        ministack
            .current_dir(directory.join("state"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "localhost")
            // Functions get the credentials of their roles, and policies are enforced.
            .env("AUTH", "true")
            .env("IOT_MTLS_ENABLED", "0");
        let program = Attended::start(ministack, log)?;
        let key = (ROOT.0.to_owned(), ROOT.1.to_owned());
        let mut emulator = Self { program, port, directory, key };
        let begun = Instant::now();
        while !emulator.is_ready() {
            if begun.elapsed() > PATIENCE || emulator.program.has_ended() {
                return Err(format!(
                    "the emulator does not respond; see {}/emulator.log",
                    emulator.directory.display()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // The emulator checks signatures only for users whose secret it created.
        let user = ["--user-name", "developer"];
        emulator.aws()?.text(&["iam", "create-user", user[0], user[1]])?;
        let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
        emulator.aws()?.text(&["iam", "attach-user-policy", user[0], user[1], "--policy-arn", policy])?;
        let query = "AccessKey.[AccessKeyId,SecretAccessKey]";
        let key = emulator.aws()?.text(&["iam", "create-access-key", user[0], user[1], "--query", query])?;
        let (id, secret) = key.trim().split_once('\t').ok_or("the emulator gives no key")?;
        emulator.key = (id.to_owned(), secret.to_owned());
        Ok(emulator)
    }

    /// Returns the AWS command line with the credentials of this emulator's administrator.
    pub(crate) fn aws(&self) -> Result<Aws, String> {
        let (program, environment) = (python_tool(AWS, "aws")?, self.environment());
        Ok(Aws { program, endpoint: self.endpoint(), environment })
    }

    fn is_ready(&self) -> bool {
        let request_health = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(
                b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )?;
            let mut response = [0; 12];
            stream.read_exact(&mut response)?;
            Ok(response.ends_with(b"200"))
        };
        request_health().unwrap_or(false)
    }

    /// Returns the id of a process that is an ancestor of all processes of the emulator and its functions.
    pub(crate) fn process(&self) -> u32 {
        self.program.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the environment variables that make a program use the emulator instead of a real account.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", self.key.0.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.key.1.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Returns a command that uses the emulator.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.envs(self.environment());
        command
    }

    /// Deploys the output of `sam build`. `at` is the address of the API. `parameters` are added to those that the emulator needs.
    pub(crate) fn deploy(
        &self,
        template: &Path,
        stack: &str,
        at: TcpListener,
        base_url: &str,
        parameters: &[&str],
    ) -> Result<Deployed, String> {
        let template = with_emulated_permission(template)?;
        let mut deploy = sam()?;
        deploy
            .envs(self.environment())
            // Without TLS, the bucket of SAM permits only the root user.
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
            .arg(format!("Architecture={ARCHITECTURE}"))
            .arg(format!("EndpointUrl={}", self.endpoint()))
            .arg(format!("BaseUrl={base_url}"))
            // With a limit, the poller of the emulator stops, because it reads the limit as text.
            .args(["SmallConcurrency=0", "LargeConcurrency=0"])
            .args(parameters)
            // Without this, a terminal would stop the command in the background.
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        run(deploy)?;
        let outputs = self.outputs(stack)?;
        let api = outputs.get("ApiId").ok_or("the stack has no API")?.clone();
        let proxy = reverse_proxy::open(at, self.port, api)?;
        Ok(Deployed { outputs, proxy })
    }

    /// Sets the value of a secret.
    pub(crate) fn put_secret(&self, secret: &str, value: &str) -> Result<(), String> {
        let file = self.directory.join("secret.txt");
        std::fs::write(&file, value).map_err(|error| error.to_string())?;
        let value = format!("file://{}", file.display());
        let put = ["secretsmanager", "put-secret-value", "--secret-id", secret, "--secret-string", &value];
        self.aws()?.text(&put).map(drop)
    }

    /// Waits until the emulator ends, for example after Ctrl-C.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        self.program.wait()
    }

    fn outputs(&self, stack: &str) -> Result<HashMap<String, String>, String> {
        let query = "Stacks[0].Outputs[].[OutputKey,OutputValue]";
        let describe = ["cloudformation", "describe-stacks", "--stack-name", stack, "--query", query];
        let text = self.aws()?.text(&describe)?;
        let outputs = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(outputs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }
}

/// Writes the template with an additional permission and returns its path. On AWS `sqs:SendMessage` permits batches too, but the emulator
/// requires the name of the operation. The file is in the directory of the functions, because its paths are relative.
fn with_emulated_permission(template: &Path) -> Result<PathBuf, String> {
    let text =
        std::fs::read_to_string(template).map_err(|error| format!("{}: {error}", template.display()))?;
    let mut changed = String::with_capacity(text.len());
    for line in text.lines() {
        changed.push_str(line);
        changed.push('\n');
        if line.trim() == "- sqs:SendMessage" {
            changed.push_str(&line.replace("SendMessage", "SendMessageBatch"));
            changed.push('\n');
        }
    }
    let path = template.with_file_name("emulator.yaml");
    std::fs::write(&path, changed).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// The AWS command line.
pub(crate) struct Aws {
    program: PathBuf,
    endpoint: String,
    environment: Vec<(&'static str, String)>,
}

impl Aws {
    /// Runs a command and returns its output as text, in columns.
    fn text(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(arguments, "text")
    }

    /// Runs a command and returns its output as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(arguments, "json")
    }

    fn run(&self, arguments: &[&str], format: &str) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(arguments).args(["--output", format]).stderr(Stdio::inherit());
        // The AWS command line ignores the variable for queues.
        if !arguments.contains(&"--endpoint-url") {
            command.args(["--endpoint-url", &self.endpoint]);
        }
        let output = command.output().map_err(|error| format!("aws: {error}"))?;
        let shown = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("aws {shown}: {}", output.status)),
        }
    }
}

pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
