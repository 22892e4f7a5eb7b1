// Goes back to the application once every frame has loaded, or after a few seconds at most;
// with scripts off the link does the same.
const goBack = () => location.replace(document.getElementById("return").href);
addEventListener("load", goBack);
setTimeout(goBack, 3000);
