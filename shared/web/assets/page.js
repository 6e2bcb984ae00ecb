// Improvements for browsers that run scripts. Every page works without this file.

// The session of a form: warns two minutes before its end. The form of a patient saves the typed values after its end, and the server
// signs the patient out. It responds with 204 if another tab has extended the session; in this case the script tries again after a
// minute. A form of staff keeps its values in the page, and the server asks for the password when it is sent.
const session = document.querySelector("[data-session-seconds]");
if (session) {
  const seconds = Number(session.dataset.sessionSeconds);
  const end = session.querySelector("[data-end]");
  setTimeout(() => {
    session.querySelector("[data-before]").hidden = true;
    session.querySelector("[data-warning]").hidden = false;
    session.classList.add("ending");
    new ResizeObserver(keepClear).observe(session);
  }, Math.max(0, seconds - 120) * 1000);
  // The warning stays at the end of the window. A field that has the focus, or gets it, must not be behind it.
  const keepClear = () => {
    const height = session.offsetHeight + 24;
    document.documentElement.style.scrollPaddingBottom = `${height}px`;
    const field = document.activeElement;
    const box = field?.getBoundingClientRect();
    const isBehind = box && box.top < innerHeight && box.bottom > innerHeight - height;
    if (isBehind && field.matches("a, button, input, select, textarea, summary")) field.scrollIntoView({ block: "nearest" });
  };
  const finish = () => {
    end.click();
    setTimeout(finish, 60 * 1000);
  };
  if (end) setTimeout(finish, (seconds + 5) * 1000);
}

// Moves the focus to the error summary.
document.querySelector(".summary")?.focus();

// A link in the error summary opens the section that contains its field.
for (const link of document.querySelectorAll(".summary a")) {
  link.addEventListener("click", () => {
    const field = document.querySelector(link.hash);
    const details = field?.closest("details");
    if (details) details.open = true;
    field?.focus();
  });
}

// A page whose state can change: loads it every 5 seconds, shows the changes, and announces each change of the state and each
// quarter of the progress to screen readers. These requests do not extend the patient's session.
const live = () => document.querySelector("[data-live]");
if (live()) {
  const spoken = document.querySelector("[data-spoken]");
  const quarter = (region) => Math.floor(Number(region?.querySelector("[data-percent]")?.dataset.percent ?? 0) / 25);
  const timer = setInterval(async () => {
    const response = await fetch(`${location.pathname}?live=poll`).catch(() => null);
    if (!response?.ok) return;
    // The session has ended; the reload shows the sign-in page.
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

// Ignores a second click on a button that has just sent its form: the first one is still on its way. The server handles both without
// this script.
let sent = new WeakMap();
window.addEventListener("pageshow", () => { sent = new WeakMap(); });
document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (event.defaultPrevented || target.method !== "post" || submitter?.matches("[data-end]")) return;
  const last = sent.get(target);
  if (last?.submitter === submitter && event.timeStamp - last.at < 5000) return event.preventDefault();
  sent.set(target, { submitter, at: event.timeStamp });
});

// Does not send too large or too many files. The server refuses them too.
for (const form of document.querySelectorAll("form[data-max-bytes]")) {
  form.addEventListener("submit", (event) => {
    const files = [...form.querySelector("input[type=file]").files];
    const all = files.reduce((sum, file) => sum + file.size, 0);
    const isTooLarge = files.some((file) => file.size > Number(form.dataset.maxBytes)) || all > Number(form.dataset.maxAll);
    const areTooMany = files.length > Number(form.dataset.maxFiles);
    form.querySelector("[data-too-large]").hidden = !isTooLarge;
    form.querySelector("[data-too-many]").hidden = !areTooMany;
    if (isTooLarge || areTooMany) event.preventDefault();
  });
}

// Shows the number of ticked rows on the button of the list.
for (const button of document.querySelectorAll("[data-counted]")) {
  const words = button.textContent;
  const count = () => {
    const ticked = button.form.querySelectorAll("input[type=checkbox]:checked").length;
    button.textContent = ticked ? button.dataset.counted.replace("#", ticked) : words;
  };
  button.form.addEventListener("change", count);
  window.addEventListener("pageshow", count);
}
