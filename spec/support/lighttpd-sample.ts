/** A valid `lighttpd.conf` with every kind of condition, operator and value: fuzzers begin with it. */
export const LIGHTTPD_SAMPLE = `# a bit of everything
var.base = "/srv" + "/www"
server.modules += ( "mod_wstunnel", )
server.document-root = base
server.port = 8080
index-file.names = ( "index.html", "a.html" )
wstunnel.ping-interval = 20
$HTTP["url"] =~ "^/vnc(/|$)" {
  wstunnel.server = ( "" => ( "one" => ( "host" => "127.0.0.1", "port" => "5900" ), "two" => ( "socket" => "/run/x" ) ) )
  wstunnel.origins = ( "a.example" )
  $HTTP["remoteip"] != "10.0.0.0/8" { wstunnel.balance = "hash" } else { wstunnel.balance := "sticky" }
} else $HTTP["host"] =$ ".example" {
  wstunnel.map-extensions += ( ".a" => "/b" )
} elseif $HTTP["scheme"] == "https" { wstunnel.frame-type = "binary" }
`;
