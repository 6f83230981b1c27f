/*
 * The little the page does for itself; htmx does the polling. A page nobody looks at does not ask; two polls in a
 * row without an answer are said aloud, with the age of the figures on the screen.
 */
(() => {
  const stale = document.getElementById("stale");
  let answeredAt = performance.now();
  let missed = 0;

  function answered() {
    answeredAt = performance.now();
    missed = 0;
    show();
  }

  function lost() {
    missed += 1;
    show();
  }

  function show() {
    const isStale = missed >= 2;
    document.documentElement.toggleAttribute("data-stale", isStale);
    stale.hidden = !isStale;
    const seconds = Math.round((performance.now() - answeredAt) / 1000);
    const since = document.getElementById("updated")?.textContent ?? "earlier";
    const text = isStale
      ? `No answer for ${seconds} s; figures are from ${since}. Bans already in the kernel stay in force. Trying again every 3 s.`
      : "";
    if (stale.textContent !== text) stale.textContent = text;
  }

  document.addEventListener("htmx:before:request", (event) => {
    const polled = event.detail.ctx.sourceEvent?.type === "every";
    if (polled && document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:error", lost);
  document.addEventListener("htmx:response:error", lost);
  // An answer of 500 that was not swapped ends in after:swap too: only the status tells.
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.response?.status < 400) answered();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) htmx.trigger("#live", "refresh");
  });
  setInterval(() => missed >= 2 && show(), 1000);
})();
