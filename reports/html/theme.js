try { document.documentElement.dataset.theme = localStorage.getItem("metaparity-theme") || "auto"; }
catch { document.documentElement.dataset.theme = "auto"; }
