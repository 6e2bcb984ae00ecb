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

// A page whose state changes by itself: asks for it every 5 seconds, shows what has changed, and says each change of the state
// and each quarter. Asking does not keep the patient signed in.
const live = () => document.querySelector("[data-live]");
if (live()) {
  const spoken = document.querySelector("[data-spoken]");
  const quarter = (region) => Math.floor(Number(region?.querySelector("[data-percent]")?.dataset.percent ?? 0) / 25);
  const timer = setInterval(async () => {
    const response = await fetch(`${location.pathname}?live=poll`).catch(() => null);
    if (!response?.ok) return;
    // The session is over: the page would say so.
    if (response.redirected) return location.reload();
    const shown = new DOMParser().parseFromString(await response.text(), "text/html");
    const [before, after] = [live(), shown.querySelector("[data-live]")];
    if (after?.dataset.state === before.dataset.state) {
      if (quarter(after) > quarter(before)) spoken.textContent = `${quarter(after) * 25} %`;
      before.replaceChildren(...after.childNodes);
      return;
    }
    document.title = shown.title;
    document.querySelector("[data-page]").replaceWith(shown.querySelector("[data-page]"));
    spoken.textContent = document.querySelector(".state").textContent;
    if (!live()) clearInterval(timer);
  }, 5000);
}

// Files that are too large or too many are not sent; the server refuses them as well.
for (const form of document.querySelectorAll("form[data-max-bytes]")) {
  form.addEventListener("submit", (event) => {
    const files = [...form.querySelector("input[type=file]").files];
    const isTooLarge = files.some((file) => file.size > Number(form.dataset.maxBytes));
    const areTooMany = files.length > Number(form.dataset.maxFiles);
    form.querySelector("[data-too-large]").hidden = !isTooLarge;
    form.querySelector("[data-too-many]").hidden = !areTooMany;
    if (isTooLarge || areTooMany) event.preventDefault();
  });
}

// The button of a list says how many of its rows are ticked.
for (const button of document.querySelectorAll("[data-counted]")) {
  const words = button.textContent;
  const count = () => {
    const ticked = button.form.querySelectorAll("input[type=checkbox]:checked").length;
    button.textContent = ticked ? button.dataset.counted.replace("#", ticked) : words;
  };
  button.form.addEventListener("change", count);
  window.addEventListener("pageshow", count);
}
