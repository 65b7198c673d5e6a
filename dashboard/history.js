// What a person does makes at most one entry in the browser's history, and what the page does by itself makes none.
//
// Streamlit replaces the entry when a field of the link changes, so that Back skips what was chosen, and adds one for
// each word that a script writes into the link, so that Back has to be pressed once for each of them. A script that
// leads to another page (`st.switch_page`) first writes the other page's words into the link of its own.
(() => {
    const add = history.pushState.bind(history);
    const replace = history.replaceState.bind(history);
    // Whether a person did something since the newest entry was made.
    let acted = false;
    // Whether the script has come to its end since then. Before, what it writes belongs to that entry, whatever is
    // pressed meanwhile: a second press of a double click, say.
    let ended = false;
    // Whether the newest entry was made by words that a script wrote into the link.
    let worded = false;
    // Whether the page has been drawn since then. Before, it says nothing about the script.
    let drawn = true;
    const look = () => {
        ended ||= drawn && !!document.querySelector("[data-test-script-state=notRunning]");
    };
    const act = () => { acted = true; look(); };
    addEventListener("keydown", (event) => { if (!event.altKey && !event.metaKey) act(); }, true);
    // A finger that scrolls goes down, too, but what it lifts from is nothing that it pressed.
    addEventListener("pointerdown", (event) => { if (event.pointerType !== "touch") act(); }, true);
    addEventListener("pointerup", (event) => { if (event.pointerType === "touch") act(); }, true);
    // Back, Forward: what the page then writes into the link belongs to the entry that was gone to.
    addEventListener("popstate", () => { acted = ended = worded = false; }, true);
    new MutationObserver(look).observe(document, { subtree: true, attributeFilter: ["data-test-script-state"] });
    history.pushState = history.replaceState = (state, unused, url) => {
        const to = new URL(url ?? "", location.href);
        const leads = to.pathname !== location.pathname;
        // Streamlit gives the whole address for what a field has, and a path for what a script wrote.
        const words = !leads && !String(url).startsWith(location.origin);
        const continues = !ended && (leads ? worded && to.search === location.search : words);
        const isNew = acted && to.href !== location.href && !continues;
        if (isNew) {
            [acted, ended, worded, drawn] = [false, false, words, false];
            requestAnimationFrame(() => requestAnimationFrame(() => { drawn = true; }));
        }
        (isNew ? add : replace)(state, unused, url);
    };
})();
