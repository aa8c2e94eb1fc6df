// Tabs and sortable tables, over pages that are whole without them.
"use strict";

(() => {
  // --- sorting: the header of a column becomes a button ------------------------------------------------------------

  const value = (row, column, kind) => {
    const cell = row.cells[column];
    const text = cell === undefined ? "" : cell.dataset.value ?? cell.textContent.trim();
    if (kind !== "number") return text.toLowerCase();
    return text === "" ? NaN : Number(text);
  };

  // What has no value stays last, whichever way a column is sorted; equal rows keep their order.
  const compare = (a, b, direction) => {
    const none = (x) => x === "" || Number.isNaN(x);
    if (none(a) || none(b)) return none(a) - none(b);
    return (a < b ? -1 : a > b ? 1 : 0) * direction;
  };

  const sort = (table, header, direction) => {
    const body = table.tBodies[0];
    const column = header.cellIndex;
    const kind = header.dataset.sort;
    const keyed = Array.from(body.rows, (row) => [value(row, column, kind), row]);
    keyed.sort(([a], [b]) => compare(a, b, direction));
    body.append(...keyed.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const header of table.tHead.querySelectorAll("th[data-sort]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const now = header.getAttribute("aria-sort");
        // Names and ranks begin with the smallest, figures with the largest.
        const first = header.dataset.sort === "number" && header.textContent.trim() !== "Rank" ? -1 : 1;
        const again = now === (first > 0 ? "ascending" : "descending");
        sort(table, header, again ? -first : first);
      });
    }
  }

  // --- tabs: sections that follow each other become panels ---------------------------------------------------------

  const place = document.querySelector("[data-tabs]");
  const panels = place === null ? [] : Array.from(place.querySelectorAll("[data-tab]"));
  if (panels.length < 2) return;

  const list = document.createElement("div");
  list.className = "tabs";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Boards");
  const tabs = panels.map((panel) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `tab-${panel.id}`;
    tab.textContent = panel.dataset.tab;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
    return tab;
  });

  const show = (chosen) => {
    panels.forEach((panel, number) => {
      const on = number === chosen;
      panel.classList.toggle("away", !on);
      tabs[number].setAttribute("aria-selected", String(on));
      tabs[number].tabIndex = on ? 0 : -1;
    });
  };

  const choose = (chosen, focus) => {
    show(chosen);
    history.replaceState(null, "", `#${panels[chosen].id}`);
    if (focus) tabs[chosen].focus();
  };

  const named = () => panels.findIndex((panel) => `#${panel.id}` === location.hash);

  tabs.forEach((tab, number) => {
    tab.addEventListener("click", () => choose(number, false));
    tab.addEventListener("keydown", (event) => {
      const last = tabs.length - 1;
      const moves = {
        ArrowRight: number === last ? 0 : number + 1,
        ArrowLeft: number === 0 ? last : number - 1,
        Home: 0,
        End: last,
      };
      if (event.key in moves) {
        event.preventDefault();
        choose(moves[event.key], true);
      }
    });
  });

  place.prepend(list);
  place.classList.add("tabbed");
  show(Math.max(0, named()));
  window.addEventListener("hashchange", () => {
    if (named() >= 0) show(named());
  });
})();
