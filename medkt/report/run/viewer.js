// Volumes in the page of a run: NiiVue with controls for keyboard and screen reader. Voxels come as scripts beside the
// page, which call medktVolume, when a reader opens a case; nothing is fetched from anywhere else.
"use strict";
(() => {
  const OVERLAYS = {
    saliency: {
      words: "where the words point (saliency, purple to yellow)",
      colours: { R: [120, 120, 237, 240], G: [28, 28, 105, 249], B: [109, 109, 37, 33], A: [0, 160, 200, 220], I: [0, 64, 192, 255] },
      solidFrom: 51,
    },
    mask: {
      words: "what the run outlined (mask, red)",
      colours: { R: [230, 230, 230], G: [60, 60, 60], B: [60, 60, 60], A: [0, 200, 200], I: [0, 1, 255] },
      solidFrom: 128, // half of the voxel is covered
    },
    reference: {
      words: "the reference (green)",
      colours: { R: [89, 89, 89], G: [230, 230, 230], B: [115, 115, 115], A: [0, 200, 200], I: [0, 1, 255] },
      solidFrom: 128, // half of the voxel is covered
    },
  };
  const SLICE_TYPES = { axial: 0, coronal: 1, sagittal: 2, three: 3, plane: 0, frame: 0 };
  const WORLD_AXES = { sagittal: 0, coronal: 1, axial: 2, plane: 2, frame: 2 };
  const DRAG = { pan: 3, crosshair: 8, windowing: 9 };
  const BRIGHTEST = 255;
  const FADES_BELOW_MIN = 2; // NiiVue's ZERO_TO_MAX_TRANSLUCENT_BELOW_MIN
  const parts = new Map();
  const scripts = new Map();
  let opened = null; // one viewer at a time: browsers allow few WebGL contexts

  window.medktVolume = (name, layers) => parts.set(name, layers);

  function loadScript(address) {
    if (!scripts.has(address)) {
      scripts.set(address, new Promise((resolve, reject) => {
        const script = make("script", { src: address });
        script.onload = resolve;
        script.onerror = () => {
          scripts.delete(address);
          reject(new Error(`${decodeURI(address)} is not beside the page: move the page together with its folder of files`));
        };
        document.head.append(script);
      }));
    }
    return scripts.get(address);
  }

  function make(tag, properties = {}, children = []) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element && !name.startsWith("aria")) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  const labelled = (words, input) => make("label", {}, [input, ` ${words}`]);
  const group = (words, children) => make("fieldset", {}, [make("legend", { textContent: words }), ...children]);

  // ---- one case

  class Viewer {
    constructor(element) {
      this.facts = JSON.parse(element.dataset.facts);
      this.addresses = [element.dataset.library, ...JSON.parse(element.dataset.scripts)];
      this.name = element.dataset.name;
      this.button = element.querySelector("button");
      this.body = element.querySelector(".viewer-body");
      this.closed = this.button.textContent;
      this.sliders = [];
    }

    async open() {
      if (opened) opened.close();
      opened = this;
      this.button.setAttribute("aria-expanded", "true");
      this.button.textContent = "Close the volume viewer";
      this.body.hidden = false;
      this.status = make("p", { className: "quiet", role: "status", textContent: "Loading the volume." });
      this.body.replaceChildren(this.status);
      try {
        await this.show();
      } catch (error) {
        if (opened === this) this.status.textContent = `The volume cannot be shown: ${error.message}. The pictures stand above.`;
      }
    }

    close() {
      if (this.nv) {
        this.nv.cleanup();
        this.nv.gl?.getExtension("WEBGL_lose_context")?.loseContext();
      }
      this.nv = null;
      this.body.hidden = true;
      this.body.replaceChildren();
      this.button.setAttribute("aria-expanded", "false");
      this.button.textContent = this.closed;
      if (opened === this) opened = null;
    }

    async show() {
      if (!document.createElement("canvas").getContext("webgl2")) {
        throw new Error("this browser has no WebGL2, or it is switched off");
      }
      for (const address of this.addresses) await loadScript(address);
      if (opened !== this) return;
      const layers = Object.assign({}, ...this.facts.parts.map((name) => parts.get(name)));
      this.layout();
      await this.draw(layers);
      if (opened !== this) return;
      this.control();
      this.goTo(this.facts.start);
      this.body.dataset.ready = "yes";
      this.body.dispatchEvent(new CustomEvent("medkt-viewer", { bubbles: true, detail: this }));
    }

    layout() {
      this.canvas = make("canvas", { tabIndex: 0, role: "img" });
      this.canvas.setAttribute("aria-label", `Planes of ${this.name}. Arrow up and arrow down go through them.`);
      this.controls = make("div", { className: "viewer-controls" });
      this.screen = make("div", { className: "viewer-screen" }, [this.canvas]);
      this.body.replaceChildren(this.screen, this.status, this.controls);
    }

    async draw(layers) {
      const nv = new niivue.Niivue({
        backColor: [0, 0, 0, 1], fontColor: [0.9, 0.9, 0.9, 1], showAllOrientationMarkers: true,
        crosshairColor: [0.31, 0.76, 0.97, 0.7], crosshairWidth: 0.3, crosshairWidthUnit: "percent", isRadiologicalConvention: true, sagittalNoseLeft: true,
        isNearestInterpolation: true, multiplanarShowRender: 0, dragAndDropEnabled: false,
        loadingText: "", logLevel: "silent", viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "",
        scrollRequiresFocus: true, windowingGainFactor: 1, isOrientationTextVisible: this.facts.planes.length === 3,
      });
      this.nv = nv;
      nv.setMouseEventConfig({ // the constructor takes no notice of these
        leftButton: { primary: DRAG.crosshair, withShift: DRAG.windowing, withCtrl: DRAG.pan },
        rightButton: DRAG.windowing, centerButton: DRAG.pan,
      });
      nv.setTouchEventConfig({ singleTouch: DRAG.crosshair, doubleTouch: DRAG.pan });
      await nv.attachToCanvas(this.canvas);
      for (const [name, { colours }] of Object.entries(OVERLAYS)) nv.addColormap(`medkt-${name}`, colours);
      for (const name of this.facts.layers) {
        const volume = await niivue.NVImage.loadFromBase64({
          base64: layers[name], name: `${name}.nii.gz`, colormap: name === "image" ? "gray" : `medkt-${name}`,
          cal_min: OVERLAYS[name]?.solidFrom ?? 0, cal_max: BRIGHTEST, colorbarVisible: false,
        });
        if (this.nv !== nv) return;
        if (name !== "image") volume.colormapType = FADES_BELOW_MIN;
        nv.addVolume(volume);
      }
      nv.onLocationChange = (place) => this.arrived(place);
      nv.onIntensityChange = () => this.showWindow();
      nv.setSliceType(this.facts.planes.length === 3 ? SLICE_TYPES.three : SLICE_TYPES.axial);
    }

    // ---- controls

    control() {
      const { planes } = this.facts;
      const boxes = [];
      if (planes.length === 3) boxes.push(this.planeChoice());
      this.sliders = planes.map((name, axis) => this.planeSlider(name, axis));
      boxes.push(group("Planes of the study, counted from 0", this.sliders.map((slider) => slider.row)));
      boxes.push(this.overlayChoice(), this.windowChoice());
      this.controls.replaceChildren(...boxes, make("p", {
        className: "quiet",
        textContent: "Mouse: click to go to a place, wheel to scroll after a click, drag with the right button (or shift) to change "
          + "brightness and contrast, middle button (or control) to move. Keys on the picture: arrow up and down.",
      }));
      // NiiVue's own keys are not named anywhere in the page, and would change what the controls say
      for (const kind of ["keydown", "keyup"]) this.screen.addEventListener(kind, (event) => this.key(event), true);
      this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    }

    planeChoice() {
      const name = `planes-${this.body.id}`;
      const chosen = (value, words) => {
        const input = make("input", { type: "radio", name, value, checked: value === "three" });
        input.addEventListener("change", () => this.nv.setSliceType(SLICE_TYPES[value]));
        return labelled(words, input);
      };
      return group("Show", [chosen("three", "three planes"), ...this.facts.planes.map((one) => chosen(one, one))]);
    }

    planeSlider(name, axis) {
      const count = Math.ceil(this.facts.shape[axis] / this.facts.steps[axis]);
      const input = make("input", { type: "range", min: 0, max: count - 1, step: 1, value: 0 });
      const said = make("output", {});
      input.addEventListener("input", () => {
        const index = this.index();
        index[axis] = Number(input.value);
        this.goTo(index);
      });
      return { input, said, row: make("div", {}, [labelled(name, input), " ", said]) };
    }

    overlayChoice() {
      const boxes = this.facts.layers.map((name, index) => {
        if (name === "image") return null;
        const input = make("input", { type: "checkbox", checked: true });
        input.addEventListener("change", () => this.nv.setOpacity(index, input.checked ? this.strength() : 0));
        return { index, input, row: labelled(OVERLAYS[name].words, input) };
      }).filter(Boolean);
      this.strong = make("input", { type: "range", min: 5, max: 100, step: 5, value: 60 });
      const apply = () => boxes.forEach(({ index, input }) => this.nv.setOpacity(index, input.checked ? this.strength() : 0));
      this.strong.addEventListener("input", apply);
      apply();
      return group("Laid over the image", [...boxes.map((box) => box.row), labelled("strength, in percent", this.strong)]);
    }

    strength() {
      return Number(this.strong.value) / 100;
    }

    windowChoice() {
      const range = (value) => make("input", { type: "range", min: 0, max: BRIGHTEST, step: 1, value });
      this.darkest = range(0);
      this.brightest = range(BRIGHTEST);
      const apply = () => this.setWindow(Number(this.darkest.value), Number(this.brightest.value));
      this.darkest.addEventListener("input", apply);
      this.brightest.addEventListener("input", apply);
      const reset = make("button", { type: "button", textContent: "As the run saw it" });
      reset.addEventListener("click", () => this.setWindow(0, BRIGHTEST));
      const smooth = make("input", { type: "checkbox", checked: false });
      smooth.addEventListener("change", () => this.nv.setInterpolation(!smooth.checked));
      return group("Grey values", [
        labelled("shown black", this.darkest), labelled("shown white", this.brightest), reset,
        labelled("smooth between voxels", smooth),
      ]);
    }

    setWindow(darkest, brightest) {
      const [image] = this.nv.volumes;
      image.cal_min = Math.min(darkest, brightest - 1);
      image.cal_max = Math.max(brightest, image.cal_min + 1);
      this.nv.updateGLVolume();
      this.showWindow();
    }

    showWindow() {
      const [image] = this.nv.volumes;
      this.darkest.value = image.cal_min;
      this.brightest.value = image.cal_max;
    }

    key(event) {
      event.stopPropagation();
      const step = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
      if (event.type !== "keydown" || !step) return;
      event.preventDefault();
      const axis = this.axisInView();
      const index = this.index();
      index[axis] = Math.min(Math.max(index[axis] + step, 0), Number(this.sliders[axis].input.max));
      this.goTo(index);
    }

    // ---- places: NiiVue counts from 0 to 1 along the patient's axes, medkt by voxel along the array's

    world(name) { // the array axis across which planes of this name lie, and whether it runs against the patient's axis
      const turned = this.nv.volumes[0].permRAS[WORLD_AXES[name]];
      return { axis: 3 - Math.abs(turned), against: turned < 0 };
    }

    goTo(index) {
      const place = [...this.nv.scene.crosshairPos];
      for (const name of ["sagittal", "coronal", "axial"]) {
        const { axis, against } = this.world(name);
        const count = Math.ceil(this.facts.shape[axis] / this.facts.steps[axis]);
        const along = (index[axis] + 0.5) / count;
        place[WORLD_AXES[name]] = against ? 1 - along : along;
      }
      this.nv.scene.crosshairPos = place;
      this.nv.drawScene();
      this.nv.createOnLocationChange();
    }

    index() {
      const found = [0, 0, 0];
      for (const name of ["sagittal", "coronal", "axial"]) {
        const { axis, against } = this.world(name);
        const count = Math.ceil(this.facts.shape[axis] / this.facts.steps[axis]);
        const along = this.nv.scene.crosshairPos[WORLD_AXES[name]];
        found[axis] = Math.min(Math.max(Math.floor((against ? 1 - along : along) * count), 0), count - 1);
      }
      return found;
    }

    axisInView() {
      const { planes } = this.facts;
      const found = planes.findIndex((name) => SLICE_TYPES[name] === this.nv.opts.sliceType);
      return Math.max(found, 0);
    }

    arrived() {
      const index = this.index();
      const { planes, shape, steps, layers } = this.facts;
      this.sliders.forEach(({ input, said }, axis) => {
        const first = index[axis] * steps[axis];
        const last = Math.min(first + steps[axis], shape[axis]) - 1;
        const words = first === last ? `${first}` : `${first} to ${last}`;
        input.value = index[axis];
        input.setAttribute("aria-valuetext", words);
        said.textContent = `${words} of ${shape[axis]}`;
      });
      const here = layers.map((name, number) => `${name} ${this.valueAt(number, index)}`);
      this.status.textContent = `${planes.map((name, axis) => `${name} ${this.sliders[axis].said.textContent}`).join(", ")}: ${here.join(", ")}`;
    }

    valueAt(number, [slice, row, column]) {
      const volume = this.nv.volumes[number];
      const [, columns, rows] = volume.hdr.dims;
      const value = volume.img[(slice * rows + row) * columns + column];
      return number === 0 ? `grey ${value}` : `${Math.round((100 * value) / BRIGHTEST)} %`;
    }
  }

  for (const element of document.querySelectorAll(".viewer")) {
    const viewer = new Viewer(element);
    viewer.button.hidden = false;
    viewer.button.addEventListener("click", () => (viewer.body.hidden ? viewer.open() : viewer.close()));
  }
})();
