/// What an event, or what a device reports, has to have.
#[derive(Debug, clap::Args)]
pub(crate) struct EventFilterArgs {
    /// Only with this property; can be given more than once
    #[arg(long, value_name = "NAME[=VALUE]")]
    property: Vec<String>,
    /// Only with this place in a JSON body; can be given more than once
    #[arg(long, value_name = "/PLACE[=VALUE]")]
    pointer: Vec<String>,
    /// Only with this in the body
    #[arg(long)]
    text: Option<String>,
    /// Only from this source: Telemetry, twinChangeEvents, …
    #[arg(long)]
    source: Option<String>,
}

impl EventFilterArgs {
    /// As parameters of a request to the control API.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let properties = self.property.iter().map(|text| ("property", text.as_str()));
        let pointers = self.pointer.iter().map(|text| ("pointer", text.as_str()));
        let text = self.text.iter().map(|text| ("text", text.as_str()));
        let source = self.source.iter().map(|text| ("source", text.as_str()));
        properties.chain(pointers).chain(text).chain(source)
    }
}
