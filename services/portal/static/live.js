// Keeps the record on the page up to date: when the stream names a newer version, the page's changing part is fetched
// and put in its place. Without this file the page is the same, but for that.
"use strict";

(() => {
  const record = document.getElementById("record");
  const live = document.getElementById("live");
  const words = document.getElementById("live-words");
  const news = document.getElementById("news");
  const shown = () => Number(record.querySelector("[data-version]").dataset.version);
  let newest = shown();
  let fetching = false;

  const say = (text, away) => {
    live.hidden = false;
    live.classList.toggle("is-away", away);
    if (words.textContent !== text) words.textContent = text;
  };

  const fingerprint = (card) => `${card.dataset.state}/${card.dataset.decision ?? ""}`;

  // What the reader has opened stays open; cards that are new or have another state are marked and read out.
  const show = (fragment) => {
    const open = new Set([...record.querySelectorAll("details[open]")].map((one) => one.id));
    const before = new Map([...record.querySelectorAll("[data-entry]")].map((one) => [one.dataset.entry, fingerprint(one)]));
    const focused = document.activeElement?.closest("details")?.id;
    record.replaceChildren(fragment);
    for (const one of record.querySelectorAll("details")) one.open = open.has(one.id);
    if (focused) document.getElementById(focused)?.querySelector("summary")?.focus({ preventScroll: true });
    const changed = [...record.querySelectorAll("[data-entry]")].filter(
      (one) => before.get(one.dataset.entry) !== fingerprint(one),
    );
    for (const one of changed) one.classList.add("is-new");
    if (changed.length) news.textContent = changed.map((one) => one.dataset.words).join(". ");
  };

  const catchUp = async () => {
    if (fetching) return;
    fetching = true;
    try {
      while (shown() < newest) {
        const response = await fetch(record.dataset.fragment);
        if (response.status === 401) {
          say("You have been signed out. Reload the page to sign in again.", true);
          return;
        }
        if (!response.ok) throw new Error(`${response.status}`);
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const fragment = page.querySelector("[data-version]");
        const version = Number(fragment.dataset.version);
        if (version <= shown()) throw new Error("an older version");
        show(document.adoptNode(fragment));
        say("New credit appears here by itself.", false);
      }
    } catch {
      say("New credit cannot be shown at the moment. Trying again.", true);
      setTimeout(catchUp, 2000);
    } finally {
      fetching = false;
    }
  };

  const source = new EventSource(record.dataset.stream);
  // The portal says so as soon as the record itself is listened to, and not only the portal.
  source.addEventListener("live", () => say("New credit appears here by itself.", false));
  source.addEventListener("message", (event) => {
    newest = Math.max(newest, Number(event.lastEventId));
    catchUp();
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      say("New credit no longer appears by itself. Reload the page.", true);
    } else {
      say("Connecting again …", true);
    }
  });
})();
