# Prints which function `sam local start-api` would call, for each line "METHOD PATH" of the input. The template is the
# argument. SAM's own code reads the template and builds the router; no container is started.
import sys

from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.local.apigw.local_apigw_service import LocalApigwService


class NoRunner:
    def is_debugging(self):
        return False


stacks, _ = SamLocalStackProvider.get_stacks(sys.argv[1])
service = LocalApigwService(ApiProvider(stacks).api, NoRunner())
service.create()
router = service._app.url_map.bind("localhost")
for line in sys.stdin:
    method, path = line.split()
    try:
        endpoint, _ = router.match(path, method)
        print(service._dict_of_routes[service._route_key(method, endpoint)].function_name)
    except Exception as error:
        print(f"nothing: {error}")
