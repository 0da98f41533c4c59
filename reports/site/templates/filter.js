// What is searched or chosen hides the other rows, tables and studies. Without this script all are shown.
{
  const form = document.querySelector(".filters");
  const [search, space, dataset] = form.querySelectorAll("input, select");
  const boards = [...document.querySelectorAll(".board")];
  const cards = [...document.querySelectorAll(".card")];

  function hasWords(element, words) {
    const text = element.dataset.text.toLowerCase();
    return words.every((word) => text.includes(word));
  }

  function isChosen(element) {
    const [spaces, datasets] = [element.dataset.spaces, element.dataset.datasets].map((text) => JSON.parse(text));
    return (!space.value || spaces.includes(space.value)) && (!dataset.value || datasets.includes(dataset.value));
  }

  function filterBoard(board, words) {
    const isShown = isChosen(board);
    let shown = 0;
    for (const row of board.querySelectorAll("tbody tr")) {
      row.hidden = !(isShown && hasWords(row, words));
      shown += row.hidden ? 0 : 1;
    }
    board.hidden = shown === 0;
    return shown;
  }

  function filterAll() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let rows = 0;
    for (const board of boards) rows += filterBoard(board, words);
    for (const card of cards) card.hidden = !(isChosen(card) && hasWords(card, words));
    const studies = cards.filter((card) => !card.hidden).length;
    const results = rows === 1 ? "1 result" : `${rows} results`;
    form.querySelector("output").textContent = `${results}, ${studies} ${studies === 1 ? "study" : "studies"}`;
  }

  form.addEventListener("input", filterAll);
  form.addEventListener("reset", () => setTimeout(filterAll));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filterAll();
}
