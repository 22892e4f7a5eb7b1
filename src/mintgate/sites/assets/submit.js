// Sends the form of a form_post response; with scripts off its button does the same.
document.forms[0].submit();
