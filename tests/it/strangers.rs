//! Strangers cannot exhaust the server's connections, sign-ins or memory.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use contract::SeededRandom;
use futures_util::future::join_all;
use http::StatusCode;
use security::passwords;
use tests::{ANNA, PASSWORD, World};

use crate::program::{Served, ehi, printed, run};

const HOME: &str = "192.0.2.7";

fn few_attempts() -> World {
    let limits = "limits = { login_attempts = 3, login_attempts_by_user = 8, login_attempts_by_address = 6 }";
    World::with(&format!("sandbox = false\n{limits}"), &ehi::defaults::sample_records())
}

async fn log_in(world: &World, username: &str, password: &str, address: &str) -> StatusCode {
    let fields = [("username", username), ("password", password)];
    world.post("/admin/login").from(address).form(&fields).send().await.status
}

const RIGHT: StatusCode = StatusCode::OK;
const WRONG: StatusCode = StatusCode::UNAUTHORIZED;
const LATER: StatusCode = StatusCode::TOO_MANY_REQUESTS;

#[tokio::test]
async fn parallel_guesses_are_limited_and_a_right_password_uses_up_no_attempt() {
    let world = few_attempts();
    let guesses = join_all((0..40).map(|_| log_in(&world, "admin", "wrong", "198.51.100.1"))).await;
    let checked = guesses.iter().filter(|status| **status == WRONG).count();
    assert_eq!((checked, guesses.iter().filter(|status| **status == LATER).count()), (3, 37));
    assert_eq!(log_in(&world, "admin", PASSWORD, HOME).await, RIGHT, "the owner has another address");
    for _ in 0..20 {
        assert_eq!(log_in(&world, "admin", PASSWORD, HOME).await, RIGHT);
    }
    // After a third of the window, one attempt is available again.
    world.advance(100);
    assert_eq!(log_in(&world, "admin", "wrong", "198.51.100.1").await, WRONG);
    assert_eq!(log_in(&world, "admin", "wrong", "198.51.100.1").await, LATER);
}

#[tokio::test]
async fn many_addresses_together_do_not_lock_the_owner_out() {
    let world = few_attempts();
    assert_eq!(log_in(&world, "admin", PASSWORD, HOME).await, RIGHT);
    let mut statuses = Vec::new();
    for host in 1..=10 {
        statuses.push(log_in(&world, "admin", "wrong", &format!("203.0.113.{host}")).await);
    }
    assert_eq!(statuses, [vec![WRONG; 8], vec![LATER; 2]].concat());
    assert_eq!(log_in(&world, "admin", PASSWORD, HOME).await, RIGHT, "the owner's known address");
    // An attempt from a new address is soon possible again, for the owner as well.
    world.advance(38);
    assert_eq!(log_in(&world, "admin", PASSWORD, "203.0.113.99").await, RIGHT);
}

#[tokio::test]
async fn one_password_tried_on_many_users_is_slowed_down() {
    let world = few_attempts();
    let mut statuses = Vec::new();
    for number in 0..8 {
        // A customer can choose half of an IPv6 address freely.
        let address = format!("2001:db8:0:1::{number}");
        statuses.push(log_in(&world, &format!("user{number}"), "Password123!", &address).await);
    }
    assert_eq!(statuses, [vec![WRONG; 6], vec![LATER; 2]].concat());
    assert_eq!(log_in(&world, "admin", PASSWORD, "2001:db8:0:2::1").await, RIGHT);
}

#[tokio::test]
async fn a_forwarded_address_is_trusted_only_from_a_trusted_proxy() {
    for (setting, believed) in [("", false), ("trusted_proxies = [\"10.0.0.0/8\"]", true)] {
        let limits = "limits = { login_attempts = 2, login_attempts_by_address = 2 }";
        let world =
            World::with(&format!("sandbox = false\n{setting}\n{limits}"), &ehi::defaults::sample_records());
        let mut statuses = Vec::new();
        for number in 0..4 {
            let call = world.post("/admin/login").from("10.0.0.1");
            let call = call.header("x-forwarded-for", &format!("198.51.100.{number}"));
            let fields = [("username", "admin"), ("password", "wrong")];
            statuses.push(call.form(&fields).send().await.status);
        }
        let expected = if believed { vec![WRONG; 4] } else { vec![WRONG, WRONG, LATER, LATER] };
        assert_eq!(statuses, expected, "{setting}");
    }
}

#[tokio::test]
async fn guesses_at_a_clients_secret_are_limited_but_not_its_own_requests() {
    let world = few_attempts();
    let ask = async |secret: &str, address: &str| {
        let fields = [("client_id", "confidential"), ("client_secret", secret), ("token", "x")];
        world.post("/auth/introspect").from(address).form(&fields).send().await
    };
    let parallel = join_all((0..30).map(|_| ask(PASSWORD, HOME))).await;
    assert!(parallel.iter().all(|response| response.status == StatusCode::OK), "{:?}", parallel[0].text());
    let guesses = join_all((0..30).map(|_| ask("wrong", "198.51.100.1"))).await;
    assert_eq!(guesses.iter().filter(|response| response.status == WRONG).count(), 6);
    let slowed = guesses.iter().find(|response| response.status == LATER).expect("slowed down");
    assert!(slowed.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds <= 60));
    assert_eq!(ask(PASSWORD, HOME).await.status, StatusCode::OK);
}

/// Returns a command for the program with a limit of file descriptors.
fn with_descriptors(count: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\"")]);
    command.arg(ehi().get_program());
    command
}

fn address(server: &Served) -> SocketAddr {
    server.base.strip_prefix("http://").expect("a base").parse().expect("an address")
}

/// There are twice as many silent connections as the server accepts. They need descriptors of this process as well, which may have fewer.
/// While the queue of new connections is full, each takes a second, so the test opens no more than it needs.
#[test]
fn silent_connections_do_not_prevent_an_export() -> tests::Result {
    ehi::descriptors::raise();
    let state = tempfile::tempdir()?;
    let server = Served::start_as(with_descriptors(1_024), state.path(), &[]);
    let address = address(&server);
    let silent: Vec<_> = (0..1_500).map_while(|_| TcpStream::connect(address).ok()).collect();
    assert!(
        silent.len() > 1_100,
        "only {} connections: this process may have too few descriptors",
        silent.len()
    );
    let out = tempfile::tempdir()?;
    let base = format!("{}/fhir", server.base);
    let output = run(ehi()
        .args(["export", "--patient", ANNA, "--server", &base, "--full", "--auto-approve", "--out"])
        .arg(out.path()));
    assert!(output.status.success(), "{}", printed(&output));
    assert!(printed(&output).contains("Exported 98 resources"), "{}", printed(&output));
    assert!(server.stop().is_some(), "SIGTERM stops the server in spite of open connections");
    drop(silent);
    Ok(())
}

/// Returns the peak memory of a process in kilobytes.
pub(crate) fn peak_kilobytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("kilobytes")
}

#[test]
fn two_hundred_log_ins_at_once_take_little_memory() -> tests::Result {
    let state = tempfile::tempdir()?;
    let config = state.path().join("settings.toml");
    let hash = passwords::hash(PASSWORD, &SeededRandom::new(1)).expect("a hash");
    let staff = (0..200)
        .map(|number| format!("[[staff]]\nusername = \"user{number}\"\npassword_hash = \"{hash}\"\n"));
    let text = "limits = { hashes_waiting = 300, login_attempts_by_address = 1000 }\n".to_owned();
    std::fs::write(&config, text + &staff.collect::<String>())?;
    let server = Served::start_as(ehi(), state.path(), &["--config", config.to_str().expect("a path")]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("{}/admin/login", server.base);
    let client = reqwest::Client::new();
    let responses = runtime.block_on(join_all((0..200).map(async |number| {
        let fields = [("username", format!("user{number}")), ("password", PASSWORD.to_owned())];
        client.post(&url).form(&fields).send().await.expect("a response").status()
    })));
    assert!(responses.iter().all(|status| *status == StatusCode::OK), "{responses:?}");
    let peak = peak_kilobytes(server.child.id());
    assert!(peak < 150_000, "{peak} kB");
    assert!(server.stop().is_some());
    Ok(())
}
