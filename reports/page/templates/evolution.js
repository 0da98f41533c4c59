// A slider selects the frame of an evolving cell to show; without this script the page shows the last frame.
for (const evolution of document.querySelectorAll(".evolution")) {
  const frames = [...evolution.querySelectorAll(".frame")];
  const label = evolution.querySelector(".slide");
  const [output, slider] = [label.querySelector("output"), label.querySelector("input")];

  function show() {
    frames.forEach((frame, place) => (frame.hidden = place !== Number(slider.value)));
    output.textContent = frames[slider.value].dataset.epoch;
    slider.setAttribute("aria-valuetext", `after epoch ${output.textContent}`);
  }

  slider.max = slider.value = frames.length - 1;
  slider.addEventListener("input", show);
  label.hidden = false;
  show();
}
