// The page is complete without this script. It adds, beside sorting (sort.js): a choice of columns, filters, copy
// buttons, links from dots to runs, the current place in the contents, and the player of evolving cells.

// --- Columns: a box for each; the first column always stays.

function showColumn(table, column, isShown) {
  for (const row of table.rows) {
    if (!row.classList.contains("part")) row.cells[column].hidden = !isShown;
  }
}

function addColumnChoice(scroll) {
  const table = scroll.querySelector("table");
  if (!table || headersOf(table).length < 4) return;
  const boxes = headersOf(table).slice(1).map((header, place) => {
    const box = make("input", { type: "checkbox" });
    box.checked = true;
    box.addEventListener("change", () => showColumn(table, place + 1, box.checked));
    return make("label", {}, box, ` ${header.textContent.trim()}`);
  });
  const choice = make("details", { class: "columns" }, make("summary", {}, "Columns"), make("div", {}, ...boxes));
  scroll.before(choice);
}

for (const scroll of all("main .scroll")) addColumnChoice(scroll);

// --- Copying: a button at each block of text that others paste.

function addCopyButton(block) {
  const say = (words) => {
    button.textContent = words;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(block.textContent.trim());
      say("Copied");
    } catch {
      // Without permission to copy, select the text so that the reader can.
      getSelection().selectAllChildren(block);
      say("Selected: press Ctrl+C");
    }
  };
  const button = makeButton("Copy", copy, { class: "copy" });
  block.after(button);
}

for (const block of all("pre, .cell code")) addCopyButton(block);

// --- Links: a dot leads to its run, and a run that is shown by a link stands out.

function showTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let parent = target; parent; parent = parent.parentElement) {
    if (parent.tagName === "DETAILS") parent.open = true;
  }
  target.scrollIntoView({ block: target.tagName === "TR" ? "center" : "start" });
}

addEventListener("hashchange", showTarget);
showTarget();

for (const dot of all(".hint[data-run]")) {
  const id = `run-${dot.dataset.run}`;
  if (!document.getElementById(id)) continue;
  dot.classList.add("linked");
  dot.addEventListener("click", () => (location.hash = id));
}

// --- Filters: they hide rows, cells and dots of other runs. Means stay those of all runs.

const FILTERS = { Selector: "Selector", Space: "Space", Images: "Data", Seed: "Seed" };

function rowsWithFields() {
  const found = [];
  for (const table of all("main table")) {
    const places = headersOf(table).map((header) => header.textContent.trim());
    const columns = Object.keys(FILTERS).filter((name) => places.includes(name));
    if (!columns.length) continue;
    for (const row of [...table.tBodies].flatMap(dataRowsOf)) {
      const fields = {};
      for (const name of columns) fields[name] = row.cells[places.indexOf(name)].textContent.trim();
      found.push({ row, fields });
    }
  }
  return found;
}

function addFilters() {
  const panel = document.getElementById("filters");
  const listed = document.querySelector("#runs table");
  if (!panel || !listed) return;
  const entries = rowsWithFields();
  const runs = new Map();
  for (const { row, fields } of entries) if (row.id) runs.set(row.id.slice("run-".length), fields);
  const wanted = {};
  const status = make("output", {});
  const matches = (fields) =>
    Object.entries(wanted).every(([name, value]) => !value || !(name in fields) || fields[name] === value);

  function apply() {
    for (const { row, fields } of entries) row.hidden = !matches(fields);
    // A heading without rows goes with them.
    for (const body of all("main tbody")) {
      const heading = body.querySelector(".part");
      if (heading) heading.hidden = dataRowsOf(body).every((row) => row.hidden);
    }
    const isHidden = (id) => runs.has(id) && !matches(runs.get(id));
    for (const dot of all(".hint[data-run]")) dot.classList.toggle("off", isHidden(dot.dataset.run));
    for (const cell of all(".cell")) cell.hidden = cell.dataset.runs.trim().split(" ").every(isHidden);
    const shown = [...runs.keys()].filter((id) => !isHidden(id)).length;
    status.textContent = `${shown} of ${runs.size} listed runs`;
  }

  for (const [name, label] of Object.entries(FILTERS)) {
    const values = [...new Set([...runs.values()].map((fields) => fields[name]))];
    if (values.length < 2) continue;
    const options = values.map((value) => make("option", { value }, value));
    const select = make("select", {}, make("option", { value: "" }, "all"), ...options);
    select.addEventListener("change", () => {
      wanted[name] = select.value;
      apply();
    });
    panel.append(make("label", {}, `${label} `, select));
  }
  if (!panel.childElementCount) return;
  const reset = makeButton("Show all", () => {
    for (const select of all("select", panel)) select.value = "";
    for (const name of Object.keys(wanted)) delete wanted[name];
    apply();
  });
  panel.append(reset, status);
  panel.hidden = false;
  apply();
}

addFilters();

// --- Contents: mark the section that is on the screen.

function markContents() {
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        if (!isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(target.id).setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const section of all("main > section")) if (links.has(section.id)) observer.observe(section);
}

markContents();

// --- Evolving cells: a slider, a play button and a choice of seeds. Without this script the last frame shows.

const FRAME_MS = 400;

function addPlayer(evolution) {
  const label = evolution.querySelector(".slide");
  const [output, slider] = [label.querySelector("output"), label.querySelector("input")];
  const every = all(".frame", evolution);
  const seeds = [...new Set(every.map((frame) => frame.dataset.seed))];
  let frames = [];
  let timer = null;

  function show() {
    const chosen = frames[slider.value];
    for (const frame of every) frame.hidden = frame !== chosen;
    output.textContent = chosen.dataset.epoch;
    slider.setAttribute("aria-valuetext", `after epoch ${output.textContent}`);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  function step() {
    if (Number(slider.value) === frames.length - 1) return stop();
    slider.value = Number(slider.value) + 1;
    show();
  }

  function chooseSeed(seed) {
    stop();
    frames = every.filter((frame) => frame.dataset.seed === seed);
    // The maximum comes first: a slider cuts values above it.
    slider.max = frames.length - 1;
    slider.value = slider.max;
    show();
  }

  const play = makeButton("Play", () => {
    if (timer !== null) return stop();
    if (Number(slider.value) === frames.length - 1) slider.value = 0;
    show();
    play.textContent = "Pause";
    timer = setInterval(step, FRAME_MS);
  }, { class: "play" });

  slider.addEventListener("input", () => {
    stop();
    show();
  });
  label.before(play);
  if (seeds.length > 1) {
    const options = seeds.map((seed) => make("option", { value: seed }, seed));
    const select = make("select", {}, ...options);
    select.addEventListener("change", () => chooseSeed(select.value));
    label.before(make("label", { class: "seed" }, "seed ", select));
  }
  label.hidden = false;
  chooseSeed(seeds[0]);
}

for (const evolution of all(".evolution")) addPlayer(evolution);
