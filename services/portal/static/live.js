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
  // An input method is in the middle of a word, which would be torn apart.
  let composing = false;

  const say = (text, away) => {
    live.hidden = false;
    live.classList.toggle("is-away", away);
    if (words.textContent !== text) words.textContent = text;
  };

  const fingerprint = (card) => `${card.dataset.state}/${card.dataset.decision ?? ""}`;

  // Whether a form holds what the page did not come with, or what was filled in and could not be sent.
  const isTyped = (form) =>
    "typed" in form.dataset ||
    [...form.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue) ||
    [...form.querySelectorAll("option")].some((one) => one.selected !== one.defaultSelected);

  // Controls keep their ids from one version to the next; a form that is no longer there has nothing to ask for.
  const carryOver = (form) => {
    const place = document.getElementById(form.id);
    if (!place) return;
    place.dataset.typed = "";
    for (const one of form.querySelectorAll("textarea, select")) {
      const other = document.getElementById(one.id);
      if (!other) continue;
      if (one.tagName === "TEXTAREA" || [...other.options].some((option) => option.value === one.value)) {
        other.value = one.value;
      }
    }
  };

  const focusLike = (before) => {
    const same = before.id && document.getElementById(before.id);
    const within = before.closest("details")?.id;
    const target = same || (within && document.getElementById(within)?.querySelector("summary"));
    target?.focus({ preventScroll: true });
    if (same?.tagName === "TEXTAREA") {
      same.setSelectionRange(before.selectionStart, before.selectionEnd, before.selectionDirection);
    }
  };

  // What the reader has opened stays open, and what is being written stays; cards that are new or have another state
  // are marked and read out.
  const show = (fragment) => {
    const opened = new Map([...record.querySelectorAll("details")].map((one) => [one.id, one.open]));
    const before = new Map([...record.querySelectorAll("[data-entry]")].map((one) => [one.dataset.entry, fingerprint(one)]));
    const typed = [...record.querySelectorAll("form[id]")].filter(isTyped);
    const focused = record.contains(document.activeElement) ? document.activeElement : null;
    const scrolled = focused?.scrollTop ?? 0;
    record.replaceChildren(fragment);
    for (const one of record.querySelectorAll("details")) one.open = opened.get(one.id) ?? one.open;
    for (const form of typed) carryOver(form);
    if (focused) {
      focusLike(focused);
      if (focused.tagName === "TEXTAREA" && document.activeElement.id === focused.id) {
        document.activeElement.scrollTop = scrolled;
      }
    }
    const changed = [...record.querySelectorAll("[data-entry]")].filter(
      (one) => before.get(one.dataset.entry) !== fingerprint(one),
    );
    for (const one of changed) one.classList.add("is-new");
    if (changed.length) news.textContent = changed.map((one) => one.dataset.words).join(". ");
  };

  const catchUp = async () => {
    if (fetching || composing) return;
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
        if (composing) return;
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

  record.addEventListener("compositionstart", () => {
    composing = true;
  });
  record.addEventListener("compositionend", () => {
    composing = false;
    catchUp();
  });

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
