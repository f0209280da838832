"use strict";
// Search as one types; without script the form asks the server.
const box = document.getElementById("q");
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const group of document.querySelectorAll("[data-group]")) {
    let here = 0;
    for (const person of group.querySelectorAll("[data-person]")) {
      const text = person.textContent.toLowerCase();
      person.hidden = !words.every((word) => text.includes(word));
      here += person.hidden ? 0 : 1;
    }
    group.hidden = here === 0;
    found += here;
  }
  document.getElementById("nobody").hidden = found > 0;
});
