(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Links into a closed section open it.
  const reveal = () => {
    let target = null;
    try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!target) return;
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    if (link && link.getAttribute("href") === location.hash) reveal();
  });
  reveal();

  // Print everything, and fold it again afterwards.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    folded.forEach((node) => { node.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((node) => { node.open = false; }));

  // Sorting: by the full number behind the rounded one, else by the words.
  const sortValue = (row, index) => {
    const cell = row.cells[index];
    const number = cell.querySelector("data");
    if (number) return Number(number.value);
    const summary = cell.querySelector("summary");
    return (summary || cell).textContent.trim().toLowerCase();
  };
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  };
  const sort = (table, heading, index) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    all("thead th", table).forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [sortValue(row, index), row]);
    rows.sort(([a], [b]) => (down ? -compare(a, b) : compare(a, b)));
    rows.forEach(([, row]) => body.append(row));
  };
  for (const table of all("table.sortable")) {
    if (table.tBodies[0].rows.length < 2) continue;
    all("thead th", table).forEach((heading, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, heading, index));
    });
  }

  // Copying.
  const copy = async (text, code) => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* no permission: select it instead */ }
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  };
  for (const button of all("button.copy")) {
    button.hidden = false;
    const code = button.parentElement.querySelector("code");
    button.addEventListener("click", async () => {
      button.textContent = (await copy(code.textContent, code)) ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // Pictures at full width.
  for (const button of all("button.zoom")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const large = button.closest("figure").classList.toggle("large");
      button.setAttribute("aria-pressed", String(large));
    });
  }

  // Open all, failing only.
  const open = document.getElementById("open-all");
  open.hidden = false;
  open.addEventListener("click", () => {
    const opening = open.textContent === "Open all";
    all("details.stage").forEach((node) => { node.open = opening; });
    open.textContent = opening ? "Close all" : "Open all";
  });
  const failing = document.getElementById("only-failing");
  failing.hidden = false;
  failing.addEventListener("click", () => {
    const on = document.body.classList.toggle("only-failing");
    failing.setAttribute("aria-pressed", String(on));
    if (on) all("tr.failing").forEach((row) => { row.closest("details.stage").open = true; });
  });
})();
