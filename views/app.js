/*
 * The little the page does for itself; htmx does the polling. A page nobody looks at does not ask; two polls in a
 * row without an answer are said aloud, with the age of the figures on the screen.
 */
(() => {
  const stale = document.getElementById("stale");
  const signIn = Object.assign(document.createElement("a"), { href: "/login", textContent: "Sign in" });
  let answeredAt = performance.now();
  let missed = 0;
  let isSignedOut = false;

  function answered() {
    answeredAt = performance.now();
    missed = 0;
    isSignedOut = false;
    show();
  }

  /** The chart of the past is asked for by itself, once a minute: it says nothing of the figures. */
  const isOfFigures = (event) => event.detail.ctx?.sourceElement?.id !== "past";

  function lost(event) {
    if (!isOfFigures(event)) return;
    missed += 1;
    isSignedOut = event.detail.ctx?.response?.status === 401;
    show();
  }

  function show() {
    const isStale = missed >= 2 || isSignedOut;
    document.documentElement.toggleAttribute("data-stale", isStale);
    document.documentElement.toggleAttribute("data-signed-out", isSignedOut);
    stale.hidden = !isStale;
    const seconds = Math.round((performance.now() - answeredAt) / 1000);
    const since = document.getElementById("updated")?.textContent ?? "earlier";
    const text = isSignedOut
      ? `You are signed out; figures are from ${since}. `
      : isStale
        ? `No answer for ${seconds} s; figures are from ${since}. Bans already in the kernel stay in force. Trying again every 3 s.`
        : "";
    if (stale.firstChild?.data !== text) stale.replaceChildren(text, ...(isSignedOut ? [signIn] : []));
  }

  document.addEventListener("htmx:before:request", (event) => {
    const polled = event.detail.ctx.sourceEvent?.type === "every";
    if (polled && document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:error", lost);
  document.addEventListener("htmx:response:error", lost);
  // An answer of 500 that was not swapped ends in after:swap too: only the status tells.
  document.addEventListener("htmx:after:swap", (event) => {
    if (isOfFigures(event) && event.detail.ctx.response?.status < 400) answered();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const part of document.querySelectorAll("#live, #past")) htmx.trigger(part, "refresh");
  });
  setInterval(() => missed >= 2 && show(), 1000);
})();
