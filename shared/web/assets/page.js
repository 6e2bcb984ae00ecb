// What pages do more where script runs. Every page works without it.

// The form's session: warns two minutes before its end, and after its end saves what was typed. The server signs out, or
// returns nothing where another tab has kept the session; then it is asked again later.
const session = document.querySelector("[data-session-seconds]");
if (session) {
  const seconds = Number(session.dataset.sessionSeconds);
  const end = session.querySelector("[data-end]");
  setTimeout(() => {
    session.querySelector("[data-before]").hidden = true;
    session.querySelector("[data-warning]").hidden = false;
    session.classList.add("ending");
  }, Math.max(0, seconds - 120) * 1000);
  const finish = () => {
    end.click();
    setTimeout(finish, 60 * 1000);
  };
  setTimeout(finish, (seconds + 5) * 1000);
}

// An error summary is what a reader must see first.
document.querySelector(".summary")?.focus();

// The links of a summary open what their field is in.
for (const link of document.querySelectorAll(".summary a")) {
  link.addEventListener("click", () => {
    const field = document.querySelector(link.hash);
    const details = field?.closest("details");
    if (details) details.open = true;
    field?.focus();
  });
}
