// What a person does makes at most one entry in the browser's history, and what the page does by itself makes none.
//
// Streamlit replaces the entry when a field of the link changes, so that Back skips what was chosen, and adds one for
// each word that a script writes into the link, so that Back has to be pressed once for each of them.
(() => {
    const add = history.pushState.bind(history);
    const replace = history.replaceState.bind(history);
    // Whether a person did something since the newest entry was made.
    let acted = false;
    const act = () => { acted = true; };
    addEventListener("keydown", (event) => { if (!event.altKey && !event.metaKey) act(); }, true);
    // A finger that scrolls goes down, too, but what it lifts from is nothing that it pressed.
    addEventListener("pointerdown", (event) => { if (event.pointerType !== "touch") act(); }, true);
    addEventListener("pointerup", (event) => { if (event.pointerType === "touch") act(); }, true);
    // Back, Forward: what the page then writes into the link belongs to the entry that was gone to.
    addEventListener("popstate", () => { acted = false; }, true);
    history.pushState = history.replaceState = (state, unused, url) => {
        const isNew = acted && url != null && new URL(url, document.baseURI).href !== location.href;
        if (isNew) acted = false;
        (isNew ? add : replace)(state, unused, url);
    };
})();
