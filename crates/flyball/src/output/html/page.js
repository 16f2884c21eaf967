"use strict";
(() => {
  const root = document.documentElement, all = (q, on = document) => [...on.querySelectorAll(q)];
  const store = (value) => { try { if (value) localStorage.setItem("flyball-theme", value); return localStorage.getItem("flyball-theme"); } catch { return null; } };
  const asked = /theme=(dark|light)/.exec(location.hash);
  const theme = asked ? asked[1] : store();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  const toggle = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    store(root.dataset.theme);
  };
  all(".tools").forEach((tools) => { tools.hidden = false; });
  const help = document.getElementById("help");
  document.getElementById("theme").addEventListener("click", toggle);
  document.getElementById("keys").addEventListener("click", () => help.showModal());

  // A link to a part that is folded away unfolds it.
  const reveal = (target) => { for (let e = target; e; e = e.parentElement) if (e.localName === "details") e.open = true; const d = target.querySelector("details"); if (d) d.open = true; };
  const toHash = () => { const t = location.hash && document.getElementById(location.hash.slice(1)); if (t) { reveal(t); t.scrollIntoView(); } };
  addEventListener("hashchange", toHash); toHash();
  addEventListener("beforeprint", () => { if (all(".slo").length <= 50) all("details").forEach((d) => { d.open = true; }); });

  const parts = all(".slo");
  let at = -1;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.key === "j" || event.key === "k") {
      if (!parts.length) return;
      const step = event.key === "j" ? 1 : -1;
      at = Math.min(Math.max(at + step, 0), parts.length - 1);
      reveal(parts[at]);
      parts[at].querySelector("summary").focus({ preventScroll: true });
      parts[at].scrollIntoView();
    } else if (event.key === "t") toggle();
    else if (event.key === "?") help.showModal();
  });

  for (const table of all("table[data-sortable]")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "descending" || (head.getAttribute("aria-sort") === null && !head.classList.contains("n"));
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = all("tbody tr", table).map((row) => { const c = row.children[column]; return [c.dataset.sort ?? c.textContent, row]; });
        const numeric = head.classList.contains("n");
        rows.sort(([a], [b]) => {
          if (!numeric) return (up ? 1 : -1) * (a < b ? -1 : a > b ? 1 : 0);
          // Unknown comes last, whichever way.
          if (a === "" || b === "") return (a === "") - (b === "");
          return (up ? 1 : -1) * (a - b);
        });
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  const number = new Intl.NumberFormat("en-US");
  const time = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ") + "Z";
  for (const svg of all("svg[data-points]")) {
    const figure = svg.parentElement, cross = svg.querySelector(".cross");
    let points, tip, index = 0;
    const start = +svg.dataset.start, bucket = +svg.dataset.bucket;
    const show = (to) => {
      points ??= svg.dataset.points.split(" ").map((p) => p.split(","));
      if (!tip) { tip = document.createElement("div"); tip.className = "tip"; tip.setAttribute("role", "status"); figure.append(tip); }
      index = Math.min(Math.max(to, 0), points.length - 1);
      const [valid, bad, sli, left] = points[index], x = (index + .5) / points.length * 100;
      cross.setAttribute("x1", x + "%"); cross.setAttribute("x2", x + "%");
      svg.classList.add("on"); tip.hidden = false;
      tip.textContent = `${time(start + index * bucket)}\nSLI ${sli || "no data"} · budget left ${left || "no data"}\n${number.format(bad)} bad of ${number.format(valid)}`;
      const plot = svg.getBoundingClientRect(), width = figure.clientWidth, own = tip.offsetWidth;
      const place = plot.left - figure.getBoundingClientRect().left + plot.width * x / 100;
      tip.style.left = Math.max(0, place + 12 + own > width ? place - own - 12 : place + 12) + "px";
    };
    const hide = () => { svg.classList.remove("on"); if (tip) tip.hidden = true; };
    const count = +svg.dataset.count;
    svg.addEventListener("pointermove", (e) => { const box = svg.getBoundingClientRect(); show(Math.floor((e.clientX - box.left) / box.width * count)); });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9 }[e.key];
      if (step) { e.preventDefault(); show(index + step); } else if (e.key === "Escape") hide();
    });
  }
})();
